/**
 * `npm run soak -- [--minutes 30] [--seed N]`: a long soak, and a table of what it has shown. A short one is among the
 * whole-process tests.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { soak, SOON } from './soak.ts'
import { report, verdictsOf } from './verdicts.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? randomInt(2 ** 31))
const ms = Number(values.minutes) * 60_000
console.log(`--minutes ${values.minutes} --seed ${seed}`)

const note = (line: string): void => console.error(`${new Date().toISOString()} ${line}`)
const run = await soak({ ms, seed, breaker: ms < 600_000 ? SOON : {}, note })
const verdicts = verdictsOf(run)
console.log(report(run, verdicts))
if (verdicts.some(({ ok }) => !ok)) process.exitCode = 1
