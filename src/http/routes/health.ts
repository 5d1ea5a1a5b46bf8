/**
 * `GET /api/health`: the Worker runs. `GET /api/health/ready`: what it needs answers, each part with its time.
 *
 * Anyone may ask, so the answer is kept for a moment: a probe must not become a load on the provider. What is kept is an
 * answer, never the promise of one: a request that is cancelled takes its probes along, and others would wait in vain.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import type { ComponentHealth, ReadyAnswer } from '../../protocol/http.ts'
import type { Services } from '../../services.ts'
import { permit } from '../permit.ts'

/** A component that says nothing for this long is down. */
const PROBE_TIMEOUT_MS = 3_000
const KEEP_MS = 2_000

const kept = new WeakMap<Services, { until: number; answer: ReadyAnswer }>()

export const healthRoutes = new Hono<AppEnv>()
  .get('/', permit('public'), (c) => c.json({ state: 'live' as const }))
  .get('/ready', permit('public'), async (c) => {
    const answer = await keptAnswer(c.var.services)
    return c.json(answer, answer.state === 'ready' ? 200 : 503)
  })

async function keptAnswer(services: Services): Promise<ReadyAnswer> {
  const known = kept.get(services)
  if (known && Date.now() < known.until) return known.answer
  // While this request asks anew, the others make do with the old answer.
  if (known) known.until = Date.now() + PROBE_TIMEOUT_MS
  const answer = await probeAll(services)
  kept.set(services, { until: Date.now() + KEEP_MS, answer })
  return answer
}

async function probeAll(services: Services): Promise<ReadyAnswer> {
  const [d1, conversations, provider] = await Promise.all([
    probe(async () => {
      await services.ready()
      await services.directory.ping()
    }),
    probe(() => services.conversation('readiness').ping()),
    probe(async (signal) => {
      const health = await services.model.check(signal)
      if (!health.ok) throw new Error(health.detail)
    }),
  ])
  const up = [d1, conversations, provider].every((component) => component.state === 'up')
  return { state: up ? 'ready' : 'down', components: { d1, conversations, provider } }
}

async function probe(run: (signal: AbortSignal) => Promise<unknown>): Promise<ComponentHealth> {
  const started = Date.now()
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)), {
      once: true,
    })
  })
  try {
    await Promise.race([run(signal), late])
    return { state: 'up', ms: Date.now() - started }
  } catch (error) {
    const detail = error instanceof Error ? error.message.slice(0, 200) : 'it failed'
    return { state: 'down', ms: Date.now() - started, detail }
  }
}
