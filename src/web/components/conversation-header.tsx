/**
 * The title, which can be changed by clicking on it, who is here, and the ways to who belongs here and to sharing.
 * Deleting stands in the list, beside every conversation, so that it is never one slip away from the title.
 */
import { useState } from 'preact/hooks'
import type { Conversation, Viewer } from '../../protocol/message.ts'
import type { AppModel } from '../app-model.ts'
import { may } from '../may.ts'
import { memo } from '../memo.ts'
import { UNTITLED } from './conversation-item.tsx'
import { PeopleIcon, ShareIcon } from './icons.tsx'
import { MenuButton } from './menu-button.tsx'
import { TitleField } from './title-field.tsx'
import { Viewers } from './viewers.tsx'

interface ConversationHeaderProps {
  readonly model: AppModel
  readonly id: string
  readonly title: string
  readonly role: Conversation['role']
  readonly viewers: readonly Viewer[]
  readonly you: string | undefined
}

export const ConversationHeader = memo(function ConversationHeader(props: ConversationHeaderProps) {
  const { model, id, title, role, viewers, you } = props
  const [renaming, setRenaming] = useState(false)
  return (
    <header class="bar">
      <MenuButton model={model} />
      {renaming ? (
        <TitleField
          title={title}
          onDone={(next) => {
            setRenaming(false)
            if (next !== null) void model.rename(id, next)
          }}
        />
      ) : (
        <h1 class="title">
          {may('conversation:rename', role) ? (
            <button type="button" title="Rename" onClick={() => setRenaming(true)}>
              {title || UNTITLED}
            </button>
          ) : (
            <span title={title}>{title || UNTITLED}</span>
          )}
        </h1>
      )}
      <Viewers viewers={viewers} you={you} />
      <div class="bar-actions">
        <button
          type="button"
          class="icon-button"
          aria-label="Members"
          title="Members"
          onClick={() => model.open({ kind: 'members', id })}
        >
          <PeopleIcon />
        </button>
        {may('conversation:share', role) && (
          <button
            type="button"
            class="icon-button"
            aria-label="Share"
            title="Share"
            onClick={() => model.open({ kind: 'share', id })}
          >
            <ShareIcon />
          </button>
        )}
      </div>
    </header>
  )
})
