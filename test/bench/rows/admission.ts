/**
 * What the queue in front of a provider can do: how many places one queue object gives a second, all calls from one Worker
 * in the same process; and how much of the allowed concurrency is in use while turns wait.
 */
import * as z from 'zod'
import { scaled, type Bench, type Row } from '../bench.ts'
import { serve } from '../serve.ts'
import { figure } from '../statistics.ts'

const GRANTS = 4_000
const LEAST_PER_SECOND = 1_000

const CONCURRENT = 20
const TURNS = 200
const CALL_MS = 500
const RUN_MS = 15_000
const LEAST_UTILISATION = 0.95

const answer = z.object({ utilisation: z.number() })

export async function measureAdmission(bench: Bench): Promise<readonly Row[]> {
  const provider = (name: string, limits: object): object => ({
    name,
    kind: 'openai',
    models: [name],
    limits,
  })
  const MODEL_PROVIDERS = JSON.stringify([
    provider('narrow', { concurrent: CONCURRENT }),
    provider('wide', { concurrent: 1_000 }),
    provider('minute', { concurrent: 1_000, requestsPerMinute: 5_000_000, tokensPerMinute: 5_000_000_000 }),
  ])
  const { line, stop } = await serve('admission', {
    modelUrl: bench.model.baseUrl,
    vars: { MODEL_PROVIDERS },
  })
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${line.directUrl}/bench/${path}`)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return await response.json()
  }
  const perSecond = async (name: string): Promise<number> => {
    const count = scaled(bench, GRANTS, 500)
    const since = performance.now()
    await ask(`grants?count=${count}&provider=${name}`)
    return count / ((performance.now() - since) / 1000)
  }
  try {
    await perSecond('wide')
    const grants = figure([await perSecond('wide'), await perSecond('wide'), await perSecond('wide')])
    const minute = figure([await perSecond('minute'), await perSecond('minute'), await perSecond('minute')])
    const ms = scaled(bench, RUN_MS, 5_000)
    const path = `utilisation?ms=${ms}&call=${CALL_MS}&turns=${TURNS}&provider=narrow`
    const { utilisation } = answer.parse(await ask(path))
    const text = (n: number): string => Math.round(n).toLocaleString('en')
    const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
    return [
      {
        work: 'places per second of one queue object, given and given back (with limits per minute)',
        relay: '–',
        parley: `${text(grants.median)} (${text(minute.median)})`,
        goal: `≥ ${text(LEAST_PER_SECOND)}`,
        met: Math.min(grants.median, minute.median) >= LEAST_PER_SECOND,
        figures: { grants, minute },
      },
      {
        work: `use of ${CONCURRENT} allowed calls of ${CALL_MS} ms while ${TURNS} conversations want one`,
        relay: '–',
        parley: percent(utilisation),
        goal: `≥ ${percent(LEAST_UTILISATION)}`,
        met: utilisation >= LEAST_UTILISATION,
        figures: { utilisation: figure([utilisation]) },
      },
    ]
  } finally {
    await stop()
  }
}
