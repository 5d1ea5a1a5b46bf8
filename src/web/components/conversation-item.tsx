/**
 * One conversation in the list: a link, with renaming in place and deleting beside it.
 * A real link, so that it opens in a new tab or window as any other; asking before deleting is the sidebar's part.
 */
import { useState } from 'preact/hooks'
import type { Conversation } from '../../protocol/message.ts'
import type { AppModel } from '../app-model.ts'
import { may } from '../may.ts'
import { memo } from '../memo.ts'
import { pathOf } from '../route.ts'
import { PencilIcon, TrashIcon } from './icons.tsx'
import { TitleField } from './title-field.tsx'

interface ConversationItemProps {
  readonly conversation: Conversation
  readonly isCurrent: boolean
  readonly model: AppModel
  readonly onDelete: (conversation: Conversation) => void
}

export const UNTITLED = 'New conversation'

export const ConversationItem = memo(function ConversationItem(props: ConversationItemProps) {
  const { conversation, isCurrent, model, onDelete } = props
  const { id } = conversation
  const title = conversation.title || UNTITLED
  const [renaming, setRenaming] = useState(false)

  if (renaming) {
    return (
      <li class="list-item">
        <TitleField
          title={conversation.title}
          onDone={(next) => {
            setRenaming(false)
            if (next !== null) void model.rename(id, next)
          }}
        />
      </li>
    )
  }
  return (
    <li class={isCurrent ? 'list-item current' : 'list-item'}>
      <a
        href={pathOf(id)}
        aria-current={isCurrent ? 'page' : undefined}
        title={title}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return
          event.preventDefault()
          model.go(id)
        }}
      >
        {title}
      </a>
      <span class="item-actions">
        {may('conversation:rename', conversation.role) && (
          <button
            type="button"
            class="icon-button small"
            aria-label={`Rename “${title}”`}
            title="Rename"
            onClick={() => setRenaming(true)}
          >
            <PencilIcon size={15} />
          </button>
        )}
        {may('conversation:delete', conversation.role) && (
          <button
            type="button"
            class="icon-button small"
            aria-label={`Delete “${title}”`}
            title="Delete"
            onClick={() => onDelete(conversation)}
          >
            <TrashIcon size={15} />
          </button>
        )}
      </span>
    </li>
  )
})
