/**
 * A short soak: the whole installation under fifty conversations at once, a fifth of faults, and a provider that is unplugged
 * for a while. `npm run soak` is the long one.
 */
import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { soak, SOON } from '../soak/soak.ts'
import { report, verdictsOf } from '../soak/verdicts.ts'

const MS = 75_000
/** So short a run grows into what it needs nearly to its end; that it is flat then, the long one shows. */
const MOST_GROWTH = 1.5

test('no turn is left open, no message lost, no word wrong, nothing multiplied; the urgent go first', async () => {
  const seed = Number(process.env['SOAK_SEED'] ?? randomInt(2 ** 31))
  console.log(`SOAK_SEED=${seed}`)
  const run = await soak({ ms: MS, seed, breaker: SOON })
  const verdicts = verdictsOf(run, MOST_GROWTH)
  console.log(report(run, verdicts))
  expect(verdicts.filter(({ ok }) => !ok)).toEqual([])
}, 400_000)
