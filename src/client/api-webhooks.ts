/**
 * The REST routes of webhooks as typed calls: one's own endpoints, or, for admins, those of the operators, which have the
 * same calls and other events.
 */
import * as shapes from '../protocol/webhooks.ts'
import type {
  CreateAlertWebhookBody,
  CreateWebhookBody,
  Delivery,
  Webhook,
  WebhookSecretAnswer,
} from '../protocol/webhooks.ts'
import type { Caller } from './caller.ts'

export class WebhooksApi<Body extends CreateWebhookBody | CreateAlertWebhookBody = CreateWebhookBody> {
  readonly #caller: Caller
  readonly #base: string

  private constructor(caller: Caller, base: string) {
    this.#caller = caller
    this.#base = base
  }

  static mine(caller: Caller): WebhooksApi {
    return new WebhooksApi(caller, '/api/webhooks')
  }

  static ofOperators(caller: Caller): WebhooksApi<CreateAlertWebhookBody> {
    return new WebhooksApi(caller, '/api/admin/webhooks')
  }

  /** Newest first. */
  async list(): Promise<Webhook[]> {
    return (await this.#caller.json({ method: 'GET', path: this.#base }, shapes.webhooksAnswer)).webhooks
  }

  /** @returns with its secret, which no other answer has: show it at once, or it is lost */
  async create(body: Body): Promise<WebhookSecretAnswer> {
    return await this.#caller.json({ method: 'POST', path: this.#base, body }, shapes.webhookSecretAnswer)
  }

  async remove(id: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: this.#path(id) })
  }

  /** @returns with the new secret; the one before goes on signing for a day */
  async rotate(id: string): Promise<WebhookSecretAnswer> {
    const call = { method: 'POST', path: `${this.#path(id)}/rotate` } as const
    return await this.#caller.json(call, shapes.webhookSecretAnswer)
  }

  /** Sends a `ping`, and says what became of it; it takes as long as the endpoint does, 10 seconds at most. */
  async test(id: string): Promise<Delivery> {
    return await this.#caller.json({ method: 'POST', path: `${this.#path(id)}/test` }, shapes.testAnswer)
  }

  /** Newest first. */
  async deliveries(id: string): Promise<Delivery[]> {
    const call = { method: 'GET', path: `${this.#path(id)}/deliveries` } as const
    return (await this.#caller.json(call, shapes.deliveriesAnswer)).deliveries
  }

  #path(id: string): string {
    return `${this.#base}/${encodeURIComponent(id)}`
  }
}
