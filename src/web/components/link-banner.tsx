/**
 * How the link to the server stands, when it is not simply open. Short waits are not shown: the style sheet lets the
 * banner appear a moment late.
 */
import type { LinkStatus } from '../../client/index.ts'
import { errorText } from '../error-text.ts'

interface LinkBannerProps {
  readonly status: LinkStatus
  readonly onRetry: () => void
}

export function LinkBanner({ status, onRetry }: LinkBannerProps) {
  const text = describe(status)
  return (
    <div class="banner-place" role="status">
      {text !== null && (
        <p class={`banner ${status.state}`} data-link={status.state}>
          <span class="banner-dot" aria-hidden="true" />
          <span>{text}</span>
          {canRetry(status) && (
            <button type="button" class="link-button" onClick={onRetry}>
              Try now
            </button>
          )}
        </p>
      )}
    </div>
  )
}

function describe(status: LinkStatus): string | null {
  switch (status.state) {
    case 'connecting':
      return 'Connecting…'
    case 'reconnecting':
      return 'The connection was lost. Trying again…'
    case 'offline':
      return 'You are offline. What you send will go out when you are back.'
    case 'failed':
      return errorText(status.error)
    case 'open':
    case 'closed':
      return null
    default:
      return null
  }
}

const canRetry = (status: LinkStatus) =>
  status.state === 'failed' || ('retryAt' in status && status.retryAt !== null)
