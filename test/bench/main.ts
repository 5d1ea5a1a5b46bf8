/**
 * `npm run bench`: measures the built Worker against a bare relay and against the model server itself, and prints a table.
 *
 *   npm run bench -- [--only=first-token,fan-out] [--quick] [--json FILE]
 *
 * The model server, Parley and the relay run in processes of their own (Parley and the relay in one workerd each); this
 * process is the load. Only one server works at a time, and they take turns within a row. `--quick` repeats less.
 */
import { writeFile } from 'node:fs/promises'
import { arch, cpus, loadavg, platform } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { spawnModelServer } from '../support/model-server-process.ts'
import type { Bench, Measure, Row } from './bench.ts'
import { ParleyTarget } from './parley-target.ts'
import { RelayTarget } from './relay-target.ts'
import { measureAdmission } from './rows/admission.ts'
import { measureBundleSize } from './rows/bundle-size.ts'
import { measureChain } from './rows/chain.ts'
import { measureFanOut } from './rows/fan-out.ts'
import { measureFirstToken } from './rows/first-token.ts'
import { measureLimits } from './rows/limits.ts'
import { measureLongHistory } from './rows/long-history.ts'
import { measureManyConversations } from './rows/many-conversations.ts'
import { measureResume } from './rows/resume.ts'
import { measureRowsWritten } from './rows/rows-written.ts'
import { measureWireBytes } from './rows/wire-bytes.ts'
import { markdownTable } from './table.ts'

/** In the order of the table. */
const MEASURES = {
  'first-token': measureFirstToken,
  'wire-bytes': measureWireBytes,
  'fan-out': measureFanOut,
  'many-conversations': measureManyConversations,
  resume: measureResume,
  'long-history': measureLongHistory,
  'rows-written': measureRowsWritten,
  limits: measureLimits,
  chain: measureChain,
  admission: measureAdmission,
  'bundle-size': measureBundleSize,
} satisfies Record<string, Measure>

const QUICK_SCALE = 0.25
/** A row that takes longer than this hangs. */
const MOST_MS = 180_000

const { values } = parseArgs({
  options: { only: { type: 'string' }, quick: { type: 'boolean', default: false }, json: { type: 'string' } },
})
const chosen = values.only?.split(',') ?? Object.keys(MEASURES)
for (const name of chosen) {
  if (!(name in MEASURES))
    throw new Error(`no such row: ${name}; there are ${Object.keys(MEASURES).join(', ')}`)
}

if (process.platform !== 'linux') throw new Error('CPU time and memory are read from /proc: this needs Linux')

const model = await spawnModelServer()
const started: { stop(): Promise<void> }[] = [model]
const begin = performance.now()
/** Of the minute before: what else runs on the machine belongs beside the figures. */
const loadBefore = loadavg()[0] ?? 0
const rows: Row[] = []
try {
  const modelUrl = model.client.baseUrl
  const relay = await RelayTarget.start({ modelUrl })
  started.push(relay)
  const parley = await ParleyTarget.start({ modelUrl })
  started.push(parley)
  const bench: Bench = { model: model.client, relay, parley, scale: values.quick ? QUICK_SCALE : 1 }
  for (const [name, measure] of Object.entries<Measure>(MEASURES)) {
    if (!chosen.includes(name)) continue
    const since = performance.now()
    try {
      rows.push(...(await withinTime(measure(bench))))
    } catch (error) {
      console.error(`${name} failed:`, error)
      process.exitCode = 1
    }
    console.error(`${name}: ${((performance.now() - since) / 1000).toFixed(0)} s`)
  }
} finally {
  await Promise.all(started.map((process) => process.stop()))
}

const seconds = Math.round((performance.now() - begin) / 1000)
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${platform()} ${arch()}, Node ${process.version}, load ${loadBefore.toFixed(1)} before`
const notes = rows.flatMap(({ note = [] }) => note)
console.log(`${markdownTable(rows)}

${machine}; ${seconds} s. Medians of rounds; in parentheses, the least and the most. ${notes.join(' ')}`)
if (values.json !== undefined) {
  await writeFile(
    values.json,
    `${JSON.stringify({ machine, seconds, quick: values.quick, rows }, null, 2)}\n`,
  )
}

/** @throws Error when it takes too long */
async function withinTime<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = delay(MOST_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not done within ${MOST_MS} ms`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer.abort()
    late.catch(() => {})
  }
}
