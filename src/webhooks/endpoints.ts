/**
 * Endpoints as their owners handle them: made, listed, rotated, tried, removed. A secret leaves here when it is made and
 * never again; that it was made, or went, is in the audit trail with it. Who may, and what else is written there, is decided by the
 * routes; sending is `delivery.ts`.
 */
import { AppError } from '../errors.ts'
import type { Delivery, Webhook, WebhookSecretAnswer } from '../protocol/webhooks.ts'
import type { ChangedBy } from '../storage/people.ts'
import * as store from '../storage/webhooks.ts'
import { addressRefusal } from './address.ts'
import type { Target } from './attempt.ts'
import { deliverTest, type DeliveryDeps, type Known } from './delivery.ts'
import { OPERATOR_EVENTS } from '../protocol/webhooks.ts'
import type { SealedSecrets } from './sealed-secret.ts'
import { newWebhookSecret } from './sign.ts'

/** Of one person, and of the operators. */
export const MAX_ENDPOINTS = 10
/** How long the secret that was replaced goes on signing, so that a receiver has time to take the new one. */
export const ROTATION_MS = 24 * 3600 * 1000
export const DELIVERIES_SHOWN = 50
export const DELIVERIES_KEPT_MS = 7 * 24 * 3600 * 1000
/** The endpoint of the operators that the configuration names; no row has such an id. */
export const CONFIGURED = 'configured'
/** Rows that one run of {@link Endpoints.tidy} touches. */
const TIDY_ROWS = 2_000
const TIDY_SEALS = 100

export interface EndpointsDeps {
  readonly db: D1Database
  readonly seals: SealedSecrets
  readonly configured: { readonly url: string; readonly secret: string } | null
  readonly delivery: Omit<DeliveryDeps, 'target'>
  /** This owner has an endpoint now. */
  added(ownerId: string | null): void
}

/** An owner of null stands for the operators. */
export class Endpoints {
  readonly #deps: EndpointsDeps

  constructor(deps: EndpointsDeps) {
    this.#deps = deps
  }

  /** Newest first. */
  async list(ownerId: string | null): Promise<Webhook[]> {
    const { db, configured } = this.#deps
    const rows = (await store.webhooksOf(db, ownerId)).map(shown)
    return ownerId === null && configured ? [...rows, shownConfigured(configured.url)] : rows
  }

  /**
   * @param ownHost `host` of the address that we were asked at
   * @throws AppError `validation_failed` for an address that nothing is sent to, `conflict` when there are too many
   */
  async create(
    ownerId: string | null,
    { url, events }: { readonly url: string; readonly events: readonly string[] },
    ownHost: string,
    by: ChangedBy,
  ): Promise<WebhookSecretAnswer> {
    const { db, seals, delivery } = this.#deps
    const refusal = addressRefusal(url, { ...delivery.rules, ownHost })
    if (refusal !== null) throw new AppError('validation_failed', `The address ${refusal}.`, { field: 'url' })
    const id = `wh_${crypto.randomUUID().replaceAll('-', '')}`
    const secret = newWebhookSecret()
    const row = {
      id,
      ownerId,
      url: new URL(url).href,
      events: events.join(' '),
      secret: await seals.seal(id, secret),
      createdAt: delivery.now(),
    }
    const entry = {
      ...by,
      action: 'webhook_created',
      resource: `webhook:${id}`,
      details: { events: row.events },
    } as const
    if (!(await store.createWebhook(db, row, MAX_ENDPOINTS, entry)))
      throw new AppError('conflict', `There are ${MAX_ENDPOINTS} webhooks: remove one first.`)
    this.#deps.added(ownerId)
    return { ...shown({ ...row, ...FRESH }), secret }
  }

  /** @throws AppError `not_found`, `conflict` */
  async remove(ownerId: string | null, id: string, by: ChangedBy): Promise<void> {
    const { db, delivery } = this.#deps
    refuseConfigured(ownerId, id)
    const entry = { ...by, action: 'webhook_removed', resource: `webhook:${id}` } as const
    if (!(await store.removeWebhook(db, ownerId, id, entry, delivery.now()))) throw noSuch()
  }

  /**
   * The secret that was goes on signing beside the new one for {@link ROTATION_MS}. If it was rotated within that time
   * already, the secret that was then replaced goes on instead: the one since may have been told to nobody.
   *
   * @throws AppError `not_found`, `conflict`
   */
  async rotate(ownerId: string | null, id: string, by: ChangedBy): Promise<WebhookSecretAnswer> {
    const { db, seals, delivery } = this.#deps
    refuseConfigured(ownerId, id)
    const row = await this.#find(ownerId, id)
    const secret = newWebhookSecret()
    const next = { secret: await seals.seal(id, secret), ...(await this.#signingOn(row)) }
    const entry = { ...by, action: 'webhook_rotated', resource: `webhook:${id}` } as const
    const changed = await store.replaceSecret(db, row, next, entry, delivery.now())
    if (!changed)
      throw new AppError('conflict', 'This webhook was just changed by somebody else. Look again.')
    return { ...shown({ ...row, ...changed }), secret }
  }

  /** One attempt, now; one that succeeds enables what was disabled. @throws AppError `not_found`, `conflict` */
  async test(ownerId: string | null, id: string): Promise<Delivery> {
    const { db, delivery } = this.#deps
    const target =
      id === CONFIGURED && ownerId === null
        ? this.#configured()
        : await this.#open(await this.#find(ownerId, id))
    if (target.state === 'closed') throw noSuch()
    if (target.state === 'secret_unreadable')
      throw new AppError('conflict', 'The secret of this webhook cannot be read any more: rotate it.')
    const at = delivery.now()
    const event = { id: `test_${crypto.randomUUID()}`, type: 'ping', at, data: { webhookId: id } } as const
    const row = await deliverTest(id, event, target, delivery)
    if (row.outcome === 'delivered') {
      await store.enableWebhook(db, id)
      this.#deps.added(ownerId)
    }
    return shownDelivery(row)
  }

  /** @throws AppError `not_found` */
  async deliveries(ownerId: string | null, id: string): Promise<Delivery[]> {
    const { db, delivery } = this.#deps
    if (!(id === CONFIGURED && ownerId === null)) await this.#find(ownerId, id)
    const since = delivery.now() - DELIVERIES_KEPT_MS
    return (await store.deliveriesOf(db, id, since, DELIVERIES_SHOWN)).map(shownDelivery)
  }

  /** Where something for this endpoint goes now. */
  async target(id: string): Promise<Known> {
    if (id === CONFIGURED) return this.#configured()
    const row = await store.findWebhook(this.#deps.db, id)
    return row === null || row.disabledAt !== null ? { state: 'closed' } : await this.#open(row)
  }

  /** Those who are told of something. */
  async told(ownerId: string | null): Promise<{ id: string; events: readonly string[] }[]> {
    const { db, configured } = this.#deps
    const rows = (await store.webhooksOf(db, ownerId)).filter(({ disabledAt }) => disabledAt === null)
    const told: { id: string; events: readonly string[] }[] = rows.map(({ id, events }) => ({
      id,
      events: events.split(' '),
    }))
    if (ownerId === null && configured) told.push({ id: CONFIGURED, events: OPERATOR_EVENTS })
    return told
  }

  /** What time brings: old outcomes go, and what another key has sealed is sealed with the current one, before that goes. */
  async tidy(): Promise<void> {
    const { db, seals, delivery } = this.#deps
    await store.removeOldDeliveries(db, delivery.now() - DELIVERIES_KEPT_MS, TIDY_ROWS)
    for (const row of await store.sealedOtherwise(db, await seals.currentPrefix(), TIDY_SEALS)) {
      const secret = await this.#sealedAnew(row.id, row.secret)
      const previousSecret = row.previousSecret && (await this.#sealedAnew(row.id, row.previousSecret))
      await store.replaceSealed(db, row, { secret: secret ?? row.secret, previousSecret })
    }
  }

  async #sealedAnew(id: string, sealed: string): Promise<string | null> {
    const secret = await this.#deps.seals.open(id, sealed)
    return secret === null ? null : await this.#deps.seals.seal(id, secret)
  }

  async #find(ownerId: string | null, id: string): Promise<store.WebhookRow> {
    const row = await store.findWebhook(this.#deps.db, id, ownerId)
    if (!row) throw noSuch()
    return row
  }

  #configured(): Known {
    const { configured } = this.#deps
    return configured
      ? { state: 'open', url: configured.url, secrets: [configured.secret] }
      : { state: 'closed' }
  }

  /** What signs beside the newest secret now. */
  async #previous(row: store.WebhookRow): Promise<{ sealed: string; opened: string; until: number } | null> {
    const { seals, delivery } = this.#deps
    const { previousSecret: sealed, previousUntil: until } = row
    if (sealed === null || until === null || delivery.now() >= until) return null
    const opened = await seals.open(row.id, sealed)
    return opened === null ? null : { sealed, opened, until }
  }

  /** What signs beside a secret that is made now; none when nobody could read it. */
  async #signingOn(row: store.WebhookRow): Promise<Omit<store.NewSecret, 'secret'>> {
    const { seals, delivery } = this.#deps
    const previous = await this.#previous(row)
    if (previous) return { previousSecret: previous.sealed, previousUntil: previous.until }
    return (await seals.open(row.id, row.secret)) === null
      ? { previousSecret: null, previousUntil: null }
      : { previousSecret: row.secret, previousUntil: delivery.now() + ROTATION_MS }
  }

  async #open(row: store.WebhookRow): Promise<({ state: 'open' } & Target) | { state: 'secret_unreadable' }> {
    const secret = await this.#deps.seals.open(row.id, row.secret)
    if (secret === null) return { state: 'secret_unreadable' }
    const previous = (await this.#previous(row))?.opened ?? null
    return { state: 'open', url: row.url, secrets: previous === null ? [secret] : [secret, previous] }
  }
}

const FRESH = { disabledAt: null, disabledReason: null, lastSuccessAt: null, lastFailureAt: null } as const

const noSuch = (): AppError => new AppError('not_found', 'There is no such webhook.')

function refuseConfigured(ownerId: string | null, id: string): void {
  if (ownerId === null && id === CONFIGURED)
    throw new AppError('conflict', 'This webhook is set by ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET.')
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** An endpoint as it is shown: without its secret. */
export function shown(
  row: Pick<store.WebhookRow, 'id' | 'url' | 'events' | 'createdAt' | keyof typeof FRESH>,
): Webhook {
  const { disabledAt, disabledReason } = row
  return {
    id: row.id,
    url: row.url,
    events: row.events.split(' '),
    createdAt: iso(row.createdAt),
    disabled:
      disabledAt === null || disabledReason === null
        ? null
        : { at: new Date(disabledAt).toISOString(), reason: disabledReason },
    lastSuccessAt: iso(row.lastSuccessAt),
    lastFailureAt: iso(row.lastFailureAt),
  }
}

const shownConfigured = (url: string): Webhook => ({
  id: CONFIGURED,
  url,
  events: [...OPERATOR_EVENTS],
  createdAt: null,
  disabled: null,
  lastSuccessAt: null,
  lastFailureAt: null,
})

const shownDelivery = ({ endpointId: _, at, ...row }: store.DeliveryRow): Delivery => ({
  ...row,
  at: new Date(at).toISOString(),
})
