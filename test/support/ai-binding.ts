/**
 * Stands in for Cloudflare's `AI` binding, which has no local simulator: `run` as the binding does it, with streams of its
 * two forms, and its errors, thrown before the stream with their code at the beginning of the message.
 *
 * What it says is written into the last user message, in the language of the model server.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { AiBinding } from '../../src/models/workers-ai.ts'
import { parseDirectives } from './model-directives.ts'
import { answerTo } from './model-text.ts'

export interface AiRun {
  readonly model: string
  readonly inputs: Record<string, unknown>
  readonly signal: AbortSignal
}

export interface AiOptions {
  /** Chunks as OpenAI's, which newer models send. */
  readonly modern?: boolean
  /** All at once, as a model that cannot stream. */
  readonly whole?: boolean
  /** What is thrown in place of an answer. */
  readonly error?: Error
}

/** The class is the runtime's own and cannot be imported; it is known by its name. */
export function upstreamError(message: string): Error {
  return Object.assign(new Error(message), { name: 'InferenceUpstreamError' })
}

export class FakeAi implements AiBinding {
  readonly runs: AiRun[] = []
  readonly #options: AiOptions

  constructor(options: AiOptions = {}) {
    this.#options = options
  }

  async run(
    model: string,
    inputs: Record<string, unknown>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<unknown> {
    this.runs.push({ model, inputs, signal })
    if (this.#options.error) throw this.#options.error
    await delay(0, undefined, { signal })
    const messages = inputs['messages'] as readonly { role: string; content: string }[]
    const last = messages.at(-1)
    const asked = messages.findLast((message) => message.role === 'user')?.content ?? ''
    const directives = parseDirectives(asked)
    const answer = answerTo(asked, directives, last?.role === 'assistant' ? last.content : undefined)
    const tokens = Array.from({ length: answer.length }, (_, at) => answer.token(at))
    const usage = { prompt_tokens: 7, completion_tokens: tokens.length, total_tokens: 7 + tokens.length }
    if (this.#options.whole) return { response: tokens.join(''), usage }
    return streamOf(this.#events(tokens, usage), directives.delay ?? 0, signal)
  }

  #events(tokens: readonly string[], usage: object): string[] {
    const chunk = (delta: object, finish_reason: string | null) => ({
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason }],
    })
    const events: object[] = this.#options.modern
      ? [...tokens.map((content) => chunk({ content }, null)), chunk({}, 'stop'), { choices: [], usage }]
      : // A token that is a number comes as one.
        [
          ...tokens.map((text) => ({ response: /^\d$/.test(text) ? Number(text) : text, p: 'abdefgh' })),
          { response: '', usage },
        ]
    return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n']
  }
}

function streamOf(events: readonly string[], pause: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const rest = events.values()
  return new ReadableStream({
    async pull(controller) {
      if (pause > 0) await delay(pause, undefined, { signal })
      const next = rest.next()
      if (next.done) controller.close()
      else controller.enqueue(encoder.encode(next.value))
    },
  })
}
