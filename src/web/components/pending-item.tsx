/**
 * A message that was sent here and is not in the log yet: on its way, waiting for the link, or refused.
 * Sending it again uses the same id, so it cannot come twice (rule I3).
 */
import type { ConversationConnection, PendingMessage } from '../../client/index.ts'
import { errorText } from '../error-text.ts'
import { AlertIcon, RetryIcon } from './icons.tsx'
import { useNotBefore } from './use-not-before.ts'

interface PendingItemProps {
  readonly sent: PendingMessage
  readonly isLinked: boolean
  readonly room: ConversationConnection
  readonly onUsage: () => void
}

export function PendingItem({ sent, isLinked, room, onUsage }: PendingItemProps) {
  const { id, content, state, error } = sent
  const limit = error?.limit
  const isTooEarly = useNotBefore(limit?.resetAt ?? null)
  return (
    <li class={`message question pending ${state}`} data-pending={state}>
      <article aria-label="You">
        <div class="bubble">{content}</div>
        {state === 'failed' ? (
          <p class="note" role="alert">
            <AlertIcon size={16} />
            <span>{error ? errorText(error) : 'This was not sent.'}</span>
            {error?.retryable !== false && (
              <button type="button" class="button small" disabled={isTooEarly} onClick={() => room.retry(id)}>
                <RetryIcon size={15} /> Send again
              </button>
            )}
            {limit && (
              <button type="button" class="link-button" onClick={onUsage}>
                Usage
              </button>
            )}
            <button type="button" class="link-button" onClick={() => room.discard(id)}>
              Discard
            </button>
          </p>
        ) : (
          <p class="pending-state">
            {!isLinked && state === 'waiting' ? 'Will be sent when the connection is back' : 'Sending…'}
            {!isLinked && state === 'waiting' && (
              <button type="button" class="link-button" onClick={() => room.discard(id)}>
                Discard
              </button>
            )}
          </p>
        )}
      </article>
    </li>
  )
}
