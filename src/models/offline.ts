/**
 * The provider of an installation that has no model: it streams, stops and counts like any other, with no key and no
 * network, and says plainly that it is offline.
 *
 * It is what a newcomer meets first, so it keeps a readable pace. What it says is offline-answer.ts's.
 */
import { estimateTokenCount } from 'tokenx'
import type { Model, ModelEvent, ModelHealth, ModelRequest } from './model.ts'
import { offlineAnswer } from './offline-answer.ts'
import { waitFor } from './wait.ts'

export interface OfflineModelOptions {
  /** `offline` when left out. */
  readonly name?: string | undefined
  /** Pause before each word, in milliseconds: about reading speed, and slow enough to be seen streaming. */
  readonly paceMs?: number | undefined
  /** Waits `ms`; rejects with the signal's reason as soon as it is aborted. */
  readonly wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined
}

const PACE_MS = 20

export class OfflineModel implements Model {
  readonly name: string
  readonly defaultModel = 'offline'
  readonly #paceMs: number
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>

  constructor({ name = 'offline', paceMs = PACE_MS, wait = waitFor }: OfflineModelOptions = {}) {
    this.name = name
    this.#paceMs = paceMs
    this.#wait = wait
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    signal.throwIfAborted()
    const said = request.messages.findLast((message) => message.role === 'user')?.content ?? ''
    const answer = offlineAnswer(said)
    for (const word of answer.split(/(?<=\s)(?=\S)/)) {
      await this.#wait(this.#paceMs, signal)
      signal.throwIfAborted()
      yield { type: 'text', text: word }
    }
    signal.throwIfAborted()
    const input = request.messages.map((message) => message.content).join('\n')
    yield {
      type: 'finish',
      reason: 'stop',
      model: this.defaultModel,
      usage: { inputTokens: estimateTokenCount(input), outputTokens: estimateTokenCount(answer) },
    }
  }

  check(): Promise<ModelHealth> {
    return Promise.resolve({ ok: true })
  }
}
