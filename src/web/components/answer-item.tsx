/**
 * What the model said: Markdown that may still be growing, and how it ended where it did not simply end.
 * Asking again is the list's business, since it sends a new message; here is only the button.
 */
import { textOf, type Message } from '../../protocol/message.ts'
import { fullTime, shortTime } from '../dates.ts'
import { degradedText } from '../degraded-text.ts'
import { errorText } from '../error-text.ts'
import { memo } from '../memo.ts'
import { CopyButton } from './copy-button.tsx'
import { AlertIcon, RetryIcon, StopIcon } from './icons.tsx'
import { Markdown } from './markdown.tsx'

interface AnswerItemProps {
  readonly message: Message
  /** Null where asking again makes no sense: something was said since. */
  readonly onAskAgain: ((answer: Message) => void) | null
  /** Null where this answer cannot go on, or not for this person. */
  readonly onContinue: ((turnId: string) => void) | null
}

export const AnswerItem = memo(function AnswerItem({ message, onAskAgain, onContinue }: AnswerItemProps) {
  const text = textOf(message)
  const isStreaming = message.status === 'streaming'
  const note = noteOf(message)
  const mayHelp = message.error?.retryable ?? false
  return (
    <li class={`message answer ${message.status}`} data-message={message.id} aria-busy={isStreaming}>
      <article aria-label="Parley">
        {text !== '' && <Markdown text={text} isGrowing={isStreaming} />}
        {text === '' && isStreaming && (
          <p class="thinking">
            <span class="dots" aria-hidden="true" /> <span class="visually-hidden">Thinking</span>
          </p>
        )}
        {note !== null && (
          <p class="note">
            {message.status === 'stopped' ? <StopIcon size={16} /> : <AlertIcon size={16} />}
            <span>{note}</span>
            {onContinue && (
              <button type="button" class="button small" onClick={() => onContinue(message.turnId)}>
                Continue
              </button>
            )}
            {mayHelp && onAskAgain && (
              <button type="button" class="button small" onClick={() => onAskAgain(message)}>
                <RetryIcon size={15} /> Try again
              </button>
            )}
          </p>
        )}
        {message.degraded && (
          <p class="origin degraded">
            <AlertIcon size={15} />
            <span>{degradedText(message.degraded)}</span>
          </p>
        )}
        {message.cached && !message.degraded && <p class="origin">Answered before</p>}
        {!isStreaming && (
          <div class="actions">
            {text !== '' && <CopyButton text={text} label="Copy the answer" />}
            <time dateTime={message.createdAt} title={fullTime(message.createdAt)}>
              {shortTime(message.createdAt)}
            </time>
            {message.model && <span class="model">{message.model}</span>}
          </div>
        )}
      </article>
    </li>
  )
})

function noteOf(message: Message): string | null {
  if (message.status === 'stopped') return 'Stopped.'
  if (message.status === 'failed' || message.status === 'interrupted') {
    return message.error ? errorText(message.error) : 'The answer failed.'
  }
  if (message.finishReason === 'length') return 'The answer reached its length limit and ends here.'
  if (message.finishReason === 'content_filter') return 'A filter of the provider ended the answer here.'
  return null
}
