/**
 * One webhook: how it does, and what can be done with it: a test, which is one request now; its last deliveries; another
 * secret; removing it.
 */
import { useState } from 'preact/hooks'
import type { WebhooksApi } from '../../client/api-webhooks.ts'
import type { Delivery, DisabledReason, Webhook } from '../../protocol/webhooks.ts'
import { fullTime, shortTime } from '../dates.ts'
import { Failure } from './form.tsx'
import { useTask } from './use-task.ts'

const DISABLED: Record<DisabledReason, string> = {
  gone: 'it said that it is gone',
  deliveries_failed: 'too many deliveries failed',
  address_refused: 'its address is not allowed',
  secret_unreadable: 'its secret cannot be read any more; get a new one',
}

interface WebhookRowProps {
  readonly api: WebhooksApi
  readonly webhook: Webhook
  /** With the secret that is to be shown from now on; left out, it is as before. */
  readonly onChanged: (secret?: string | null) => void
}

export function WebhookRow({ api, webhook, onChanged }: WebhookRowProps) {
  const { id, url } = webhook
  const [deliveries, setDeliveries] = useState<readonly Delivery[] | null>(null)
  const [tested, setTested] = useState<Delivery | null>(null)
  const task = useTask()
  const button = (label: string, work: () => Promise<void>, isOpen?: boolean) => (
    <button
      type="button"
      class="button small"
      disabled={task.isBusy}
      aria-label={`${label}: ${url}`}
      aria-expanded={isOpen}
      onClick={() => void task.run(work)}
    >
      {label}
    </button>
  )
  return (
    <li class="row">
      <div class="row-text whole">
        <b>{url}</b>
        <span>{stateOf(webhook)}</span>
      </div>
      {button('Test', async () => {
        setTested(await api.test(id))
        if (deliveries) setDeliveries(await api.deliveries(id))
        onChanged()
      })}
      {button(
        'Deliveries',
        async () => setDeliveries(deliveries ? null : await api.deliveries(id)),
        deliveries !== null,
      )}
      {button('New secret', async () => onChanged((await api.rotate(id)).secret))}
      {button('Remove', async () => {
        await api.remove(id)
        onChanged(null)
      })}
      <Failure error={task.error} />
      {tested && (
        <p class="row-note" role="status">
          Test: {outcomeOf(tested)}
        </p>
      )}
      {deliveries && (
        <ul class="deliveries" aria-label={`Deliveries to ${url}`}>
          {deliveries.map((delivery) => (
            <li key={`${delivery.eventId} ${delivery.attempt} ${delivery.at}`} class="row-note">
              <time dateTime={delivery.at} title={fullTime(delivery.at)}>
                {shortTime(delivery.at)}
              </time>{' '}
              {delivery.type}: {outcomeOf(delivery)}
            </li>
          ))}
          {deliveries.length === 0 && <li class="row-note">None in the last seven days.</li>}
        </ul>
      )}
    </li>
  )
}

function stateOf({ disabled, lastSuccessAt, lastFailureAt }: Webhook): string {
  if (disabled) return `Off, because ${DISABLED[disabled.reason]}. A test that succeeds turns it on.`
  const said = [
    lastSuccessAt !== null && `last told ${shortTime(lastSuccessAt)}`,
    lastFailureAt !== null && `last failed ${shortTime(lastFailureAt)}`,
  ].filter(Boolean)
  return said.length === 0 ? 'Not told of anything yet' : said.join(' · ')
}

function outcomeOf({ outcome, failure, status, durationMs }: Delivery): string {
  if (outcome === 'delivered') return `delivered in ${durationMs} ms`
  const why = status === null ? (failure ?? '').replaceAll('_', ' ') : `status ${status}`
  return `${outcome === 'dead' ? 'given up' : 'failed'} (${why})`
}
