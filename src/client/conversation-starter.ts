/**
 * Makes conversations without leaving empty ones behind: an answer that is lost may belong to a conversation that was
 * made, so the next attempt brings the same key and gets that one (rule I5). When to try again is the caller's business.
 */
import type { Conversation } from '../protocol/message.ts'
import type { Api } from './api.ts'
import type { Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'

export class ConversationStarter {
  readonly #env: Environment
  readonly #api: Api
  /** The key of an attempt whose outcome is not known. */
  #open: string | null = null

  constructor(env: Environment, api: Api) {
    this.#env = env
    this.#api = api
  }

  /** @throws ParleyError */
  async start(): Promise<Conversation> {
    const key = this.#open ?? this.#env.newId()
    // Of two that start at once each makes its own.
    this.#open = null
    try {
      return await this.#api.createConversation({ idempotencyKey: key })
    } catch (error) {
      if (ParleyError.from(error).retryable) this.#open = key
      throw error
    }
  }
}
