/**
 * Parley, with a way to ask a queue object as fast as it answers, from inside the Worker and by the same calls that a
 * conversation makes. For the benchmark only.
 *
 * `GET /bench/grants?count=N&provider=NAME` answers when so many places were given and given back. With
 * `GET /bench/utilisation?ms=N&call=N&turns=N&provider=NAME` turns wait all the time, each call takes so long, and the
 * answer is the part of the places that were in use.
 */
import { DurableObject } from 'cloudflare:workers'
import type { QueueAnswer, QueueEntry, QueueListener, QueueNews } from '../../../src/admission/admission.ts'
import type { Admission } from '../../../src/admission/admission-calls.ts'
import type { Env } from '../../../src/env.ts'
import product from '../../../src/index.ts'
import { admissionFor } from '../../../src/operating.ts'

export * from '../../../src/index.ts'

/** Calls under way at a time. */
const AT_ONCE = 64

/** Waiting conversations, as far as a queue knows them: it says yes, makes its call, and gives the place back. */
export class ConversationObject extends DurableObject<Env> implements QueueListener {
  #calls: { entry: QueueEntry; callMs: number } | null = null
  /** From when to when it had a place; the last one may still be open. */
  readonly #held: { from: number; to: number }[] = []
  #isOver = false

  /** Enters this turn, and another one each time that its call has ended. */
  async wait(entry: QueueEntry, callMs: number): Promise<void> {
    this.#calls = { entry, callMs }
    this.#take(await admissionOf(this.env).enter(entry))
  }

  queueNews(_turn: number, news: QueueNews): Promise<boolean> {
    if (this.#isOver && news.state === 'granted') return Promise.resolve(false)
    if (news.state !== 'timed_out') this.#take(news)
    return Promise.resolve(true)
  }

  /** @returns for how long it had a place since then, ms */
  end(since: number): number {
    this.#isOver = true
    const now = Date.now()
    const times = this.#held.map(({ from, to }) => Math.min(to, now) - Math.max(from, since))
    return times.reduce((sum, ms) => sum + Math.max(0, ms), 0)
  }

  #take(news: QueueAnswer): void {
    if (news.state !== 'granted' || !this.#calls) return
    const { entry, callMs } = this.#calls
    this.#calls = null
    const held = { from: Date.now(), to: Infinity }
    this.#held.push(held)
    setTimeout(() => {
      if (this.#isOver) return
      held.to = Date.now()
      const admission = admissionOf(this.env)
      void admission.release(news, entry.conversationId, 100)
      void this.wait({ ...entry, turn: entry.turn + 2 }, callMs)
    }, callMs)
  }
}

export default {
  ...product,
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const number = (name: string): number => Number(searchParams.get(name))
    const provider = searchParams.get('provider') ?? ''
    if (pathname === '/bench/grants') return await grants(env, provider, number('count'))
    if (pathname !== '/bench/utilisation') return await product.fetch(request, env, ctx)
    return await utilisation(env, provider, number('ms'), number('call'), number('turns'))
  },
}

const admissionOf = (env: Env): Admission => admissionFor(env)

const entryOf = (provider: string, i: number): QueueEntry => {
  const now = Date.now()
  const conversationId = crypto.randomUUID()
  const who = { provider, conversationId, turn: 2, userId: `user:${i % 50}`, priority: 'normal' } as const
  return { ...who, tokens: 500, since: now, deadline: now + 600_000 }
}

async function grants(env: Env, provider: string, count: number): Promise<Response> {
  const admission = admissionOf(env)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) {
      const entry = entryOf(provider, next++)
      const answer = await admission.enter(entry)
      if (answer.state !== 'granted') throw new Error(answer.state)
      await admission.release(answer, entry.conversationId, 400)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return Response.json({ count })
}

async function utilisation(
  env: Env,
  provider: string,
  ms: number,
  callMs: number,
  turns: number,
): Promise<Response> {
  const entries = Array.from({ length: turns }, (_, i) => entryOf(provider, i))
  const stubOf = ({ conversationId }: QueueEntry) =>
    env.CONVERSATIONS.get(
      env.CONVERSATIONS.idFromName(conversationId),
    ) as unknown as DurableObjectStub<ConversationObject>
  await Promise.all(entries.map((entry) => stubOf(entry).wait(entry, callMs)))
  const since = Date.now()
  await scheduler.wait(Math.max(0, since + ms - Date.now()))
  const elapsed = Date.now() - since
  const [status] = await admissionOf(env).statuses()
  const used = await Promise.all(entries.map((entry) => stubOf(entry).end(since)))
  const places = status?.limits.concurrent ?? 1
  return Response.json({ utilisation: used.reduce((sum, each) => sum + each, 0) / (places * elapsed) })
}
