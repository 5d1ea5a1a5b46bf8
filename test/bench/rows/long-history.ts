/**
 * The same turn in a conversation with 10 messages and in one with 1,000: the time to its first token, what the asking
 * client sends, and what each other viewer receives. Nothing of it may grow with the history, but the prompt, which
 * the context budget bounds.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { scaled, type Bench, type Row } from '../bench.ts'
import type { Room } from '../room.ts'
import { figure, median, type Figure } from '../statistics.ts'
import { MS, short, withSpread } from '../table.ts'

const ROUNDS = 6
const TURNS = 5
const FEW = 10
const MANY = 1_000
/** About what people and models write: 300 characters asked, 300 answered. */
const FILLER = 'How does one say this in so many words that it takes some room? '.repeat(5).trim()
const FILL = `[[tokens=75]] ${FILLER}`
const ANSWER = `[[tokens=20 delay=2]] ${FILLER}`
const THINK_MS = 20

/** "The same" for a time on a noisy machine, and for bytes that hold longer numbers. */
const SAME_MS = 1
const SAME_BYTES = 1.05

interface Seen {
  readonly first: number
  readonly sent: number
  readonly received: number
}

export async function measureLongHistory(bench: Bench): Promise<readonly Row[]> {
  const long = await filled(bench, scaled(bench, MANY, FEW))
  const few: Seen[] = []
  const many: Seen[] = []
  for (let round = 0; round < scaled(bench, ROUNDS, 2); round++) {
    const short = await filled(bench, FEW)
    few.push(await turns(short))
    many.push(await turns(long))
    await short.close()
  }
  await long.close()
  const before = figures(few)
  const after = figures(many)
  const added = after.first.median - before.first.median
  return [
    {
      work: `a turn with ${FEW} → ${scaled(bench, MANY, FEW).toLocaleString('en-US')} messages before it: first token, bytes from the client, bytes to each other viewer`,
      relay: '–',
      parley: `${withSpread(before.first, MS)} → ${withSpread(after.first, MS)}, ${before.sent.median} → ${after.sent.median} B, ${before.received.median} → ${after.received.median} B`,
      goal: `the same (${short(SAME_MS)} ms, ${short((SAME_BYTES - 1) * 100)} %)`,
      met:
        added <= SAME_MS &&
        after.sent.median <= before.sent.median * SAME_BYTES &&
        after.received.median <= before.received.median * SAME_BYTES,
      figures: { few, many },
    },
  ]
}

/** A conversation with this many messages, and two clients. */
async function filled(bench: Bench, messages: number): Promise<Room> {
  const room = await bench.parley.open(2)
  for (let i = 0; i < messages / 2; i++) await room.turn(FILL)
  return room
}

async function turns(room: Room): Promise<Seen> {
  const [asker] = room.watches
  if (!asker) throw new Error('a room without a client')
  const all: Seen[] = []
  for (let i = 0; i < TURNS; i++) {
    await delay(THINK_MS)
    const sentBefore = asker.socket.sentBytes
    const turn = await room.turn(ANSWER)
    all.push({
      first: turn.asker.firstAt - turn.sentAt,
      sent: asker.socket.sentBytes - sentBefore,
      received: turn.viewers[1]?.bytes ?? 0,
    })
  }
  const of = (key: keyof Seen) => median(all.map((each) => each[key]))
  return { first: of('first'), sent: of('sent'), received: of('received') }
}

function figures(all: readonly Seen[]): Record<keyof Seen, Figure> {
  const of = (key: keyof Seen) => figure(all.map((each) => each[key]))
  return { first: of('first'), sent: of('sent'), received: of('received') }
}
