/**
 * Parley, with a way to ask limiter objects as fast as they answer, from inside the Worker and by the same calls that its
 * routes make. For the benchmark only.
 *
 * `GET /bench/decisions?what=admit|turn&count=N&objects=N` answers when all are made. A turn is two decisions: one that
 * reserves it, and one that settles it.
 */
import type { Env } from '../../../src/env.ts'
import product from '../../../src/index.ts'

export * from '../../../src/index.ts'

/** Calls under way at a time. */
const AT_ONCE = 64
const FACTS = { kind: 'guest' } as const

export default {
  ...product,
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== '/bench/decisions') return await product.fetch(request, env, ctx)
    const count = Number(searchParams.get('count'))
    const objects = Number(searchParams.get('objects') ?? '1')
    const decide = searchParams.get('what') === 'turn' ? turn : admit
    let next = 0
    const work = async (): Promise<void> => {
      while (next < count) {
        const i = next++
        await decide(env.LIMITER.get(env.LIMITER.idFromName(`guest:${i % objects}`)), i)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return Response.json({ count })
  },
}

type Limiter = ReturnType<Env['LIMITER']['get']>

async function admit(limiter: Limiter): Promise<void> {
  const { ok } = await limiter.admit('write', FACTS)
  if (!ok) throw new Error('refused')
}

async function turn(limiter: Limiter, i: number): Promise<void> {
  const key = `00000000-0000-4000-8000-000000000000/${i}`
  const refused = await limiter.reserve(key, FACTS, { messages: 1, tokens: 600, micros: 400 })
  if (refused) throw new Error(refused.detail)
  await limiter.settleAll([{ key, truth: { messages: 1, tokens: 500, micros: 300 } }])
}
