/**
 * The bare relay (test/workers/bench/relay.ts) as a server under measure.
 */
import type { JsonLineProcess } from '../support/json-line-process.ts'
import type { ServedWorker } from '../support/parley-process.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { serve, type Build, type ServeOptions } from './serve.ts'
import { Room, type Target } from './room.ts'
import { TurnWatch } from './turn-watch.ts'

const DELTA_HEAD = '{"delta":"'
const DELTA_TAIL = '"}'

export class RelayTarget implements Target {
  readonly name = 'relay'
  readonly served: ServedWorker
  readonly stop: () => Promise<void>
  #rooms = 0

  private constructor({ line, stop }: JsonLineProcess<ServedWorker>) {
    this.served = line
    this.stop = stop
  }

  static async start(options: ServeOptions, build: Build = 'relay'): Promise<RelayTarget> {
    return new RelayTarget(await serve(build, options))
  }

  async open(viewers: number): Promise<Room> {
    const room = `${this.served.directUrl}/${++this.#rooms}`
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
