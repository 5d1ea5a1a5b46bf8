/**
 * The bare relay (test/workers/bench/relay.ts) as a server under measure.
 */
import { RawSocket } from '../support/raw-socket.ts'
import { serve, type ServeOptions } from './serve.ts'
import { Room, type Target } from './room.ts'
import { TurnWatch } from './turn-watch.ts'

const DELTA_HEAD = '{"delta":"'
const DELTA_TAIL = '"}'

export class RelayTarget implements Target {
  readonly name = 'relay'
  readonly pid: number
  readonly stop: () => Promise<void>
  readonly #url: string
  #rooms = 0

  private constructor(url: string, pid: number, stop: () => Promise<void>) {
    this.#url = url
    this.pid = pid
    this.stop = stop
  }

  static async start(options: ServeOptions): Promise<RelayTarget> {
    const { line, stop } = await serve('relay', options)
    return new RelayTarget(line.directUrl, line.pid, stop)
  }

  async open(viewers: number): Promise<Room> {
    const room = `${this.#url}/${++this.#rooms}`
    const watches: TurnWatch[] = []
    for (let i = 0; i < viewers; i++) {
      watches.push(new TurnWatch(await RawSocket.open(room), readRelayFrame, { keepText: i === 0 }))
    }
    return new Room(watches, (asker, message) => asker.socket.send(message))
  }
}

function readRelayFrame(payload: Buffer, watch: TurnWatch): void {
  // The third byte tells the kinds apart: {"delta", {"done", {"error"; letters and blanks need no unescaping.
  if (payload[3] === 0x65) watch.text(payload, DELTA_HEAD.length, payload.length - DELTA_TAIL.length)
  else if (payload[3] === 0x6f) watch.end()
  else throw new Error(`the relay failed: ${payload.toString()}`)
}
