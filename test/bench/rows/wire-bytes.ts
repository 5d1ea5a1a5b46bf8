/**
 * What one token costs on the wire to a client, at 100 tokens of 4 characters a second: every byte that the server sends
 * for a turn, frame headers and the frames around the text included, divided by its tokens.
 */
import type { Bench, Row } from '../bench.ts'
import { scaled } from '../bench.ts'
import type { Room } from '../room.ts'
import { short } from '../table.ts'

const TOKENS = 400
const DELAY_MS = 10
const MOST_BYTES = 30

export async function measureWireBytes(bench: Bench): Promise<readonly Row[]> {
  const relay = await perToken(bench, await bench.relay.open(1))
  const compact = await perToken(bench, await bench.parley.open(1))
  const plain = await perToken(bench, await bench.parley.open(1, { compact: false }))
  return [
    {
      work: 'wire bytes per 4-character token at 100 tokens/s',
      relay: short(relay),
      parley: `${short(compact)} (${short(plain)} as plain JSON)`,
      goal: `≤ ${MOST_BYTES}`,
      met: compact <= MOST_BYTES,
      figures: { relay, compact, plain },
    },
  ]
}

async function perToken(bench: Bench, room: Room): Promise<number> {
  const tokens = scaled(bench, TOKENS)
  const { asker } = await room.turn(`[[tokens=${tokens} delay=${DELAY_MS}]]`)
  await room.close()
  return asker.bytes / tokens
}
