/**
 * What a person said, as they wrote it: plain text, no Markdown, since nobody asked for their asterisks to go.
 * Others' messages carry their name and stand at the other side.
 */
import { textOf, type Message } from '../../protocol/message.ts'
import { fullTime, shortTime } from '../dates.ts'
import { memo } from '../memo.ts'
import { CopyButton } from './copy-button.tsx'

interface QuestionItemProps {
  readonly message: Message
  readonly isOwn: boolean
}

export const QuestionItem = memo(function QuestionItem({ message, isOwn }: QuestionItemProps) {
  const text = textOf(message)
  const author = isOwn ? 'You' : (message.authorName ?? 'Somebody')
  return (
    <li class={isOwn ? 'message question' : 'message question foreign'} data-message={message.id}>
      <article aria-label={author}>
        {!isOwn && <p class="author">{author}</p>}
        <div class="said">
          <div class="bubble">{text}</div>
          <div class="actions">
            <time dateTime={message.createdAt} title={fullTime(message.createdAt)}>
              {shortTime(message.createdAt)}
            </time>
            <CopyButton text={text} label="Copy the message" />
          </div>
        </div>
      </article>
    </li>
  )
})
