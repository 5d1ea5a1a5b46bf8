/**
 * A client that lost its link right after the answer began comes back when 2,000 tokens have been said: how many frames
 * and bytes bring it up to date, and how long that takes from its join to the last missing character. Also a client that
 * comes with nothing (a reload of the page).
 */
import { monotonicMs } from '../../support/monotonic.ts'
import { scaled, type Bench, type Row } from '../bench.ts'
import { joinText, type JoinOptions, type ParleyFrame } from '../parley-target.ts'
import { figure, type Figure } from '../statistics.ts'
import { KIB, MS, short, withSpread, withUnit } from '../table.ts'
import type { TurnWatch } from '../turn-watch.ts'

const REPEATS = 20
const TOKENS = 2_000
const TEXT_BYTES = TOKENS * 4

const MOST_FRAMES = 3
const MOST_BYTES = 1.2
const MOST_MS = 5

interface Resumed {
  readonly frames: number
  readonly bytes: number
  readonly time: number
}

export async function measureResume(bench: Bench): Promise<readonly Row[]> {
  const gate = `resume-${Date.now()}`
  const message = `[[tokens=${TOKENS + 10} after=${TOKENS} gate=${gate}]]`
  const id = await bench.parley.create()
  const room = await bench.parley.enter(id, 1)
  const [watch] = room.watches
  if (!watch) throw new Error('a room without a client')
  const started = startedAndSaid(watch)
  const turn = room.turn(message)
  const { seq = 0, messageId = '' } = await started

  const rejoined: Resumed[] = []
  const reloaded: Resumed[] = []
  for (let i = 0; i < scaled(bench, REPEATS, 5); i++) {
    rejoined.push(await resume(bench, id, { after: seq, have: { messageId, offset: 0 } }))
    reloaded.push(await resume(bench, id, {}))
  }
  await bench.model.openGate(gate)
  await turn
  await room.close()

  const rejoin = figures(rejoined)
  const reload = figures(reloaded)
  const met = [rejoin, reload].every(
    ({ frames, bytes, time }) =>
      frames.max <= MOST_FRAMES && bytes.max <= MOST_BYTES * TEXT_BYTES && time.median <= MOST_MS,
  )
  return [
    {
      work: `resume after ${TOKENS.toLocaleString('en-US')} tokens (${withUnit(TEXT_BYTES, KIB)} of text): frames, bytes, time`,
      relay: '–',
      parley: `${written(rejoin)}; after a reload ${written(reload)}`,
      goal: `≤ ${MOST_FRAMES} frames, ≤ ${MOST_BYTES} × the text, ≤ ${MOST_MS} ms`,
      met,
      figures: { rejoin, reload },
    },
  ]
}

/** Resolves with the frame that started the turn, once all text up to the gate was seen. The watch goes on. */
function startedAndSaid(watch: TurnWatch): Promise<ParleyFrame> {
  const { socket } = watch
  const { onText } = socket
  let start: ParleyFrame = { type: 'none' }
  return new Promise((resolve) => {
    socket.onText = (payload, wireBytes) => {
      onText(payload, wireBytes)
      if (payload.includes('"stream_start"')) start = JSON.parse(payload.toString()) as ParleyFrame
      if (watch.chars < TEXT_BYTES) return
      socket.onText = onText
      resolve(start)
    }
  })
}

/** Joins on a new socket, up to the last character that the model has said. */
async function resume(bench: Bench, conversationId: string, join: JoinOptions): Promise<Resumed> {
  const socket = await bench.parley.socket(conversationId)
  let frames = 0
  let bytes = 0
  const sentAt = monotonicMs()
  await new Promise<void>((resolve) => {
    socket.onText = (payload, wireBytes) => {
      frames++
      bytes += wireBytes
      if (payload.length > TEXT_BYTES) resolve()
    }
    socket.send(joinText(join))
  })
  const time = monotonicMs() - sentAt
  await socket.close()
  return { frames, bytes, time }
}

function figures(all: readonly Resumed[]): Record<keyof Resumed, Figure> {
  const of = (key: keyof Resumed) => figure(all.map((each) => each[key]))
  return { frames: of('frames'), bytes: of('bytes'), time: of('time') }
}

function written({ frames, bytes, time }: Record<keyof Resumed, Figure>): string {
  const part = short(bytes.median / TEXT_BYTES)
  return `${frames.max} frames, ${withUnit(bytes.median, KIB)} = ${part} × the text, ${withSpread(time, MS)}`
}
