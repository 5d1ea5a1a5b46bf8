/**
 * The title, which can be changed by clicking on it, and who is here.
 * Deleting stands in the list, beside every conversation, so that it is never one slip away from the title.
 */
import { useState } from 'preact/hooks'
import type { Viewer } from '../../protocol/message.ts'
import type { AppModel } from '../app-model.ts'
import { memo } from '../memo.ts'
import { UNTITLED } from './conversation-item.tsx'
import { MenuButton } from './menu-button.tsx'
import { TitleField } from './title-field.tsx'
import { Viewers } from './viewers.tsx'

interface ConversationHeaderProps {
  readonly model: AppModel
  readonly id: string
  readonly title: string
  readonly viewers: readonly Viewer[]
  readonly you: string | undefined
}

export const ConversationHeader = memo(function ConversationHeader(props: ConversationHeaderProps) {
  const { model, id, title, viewers, you } = props
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
          <button type="button" title="Rename" onClick={() => setRenaming(true)}>
            {title || UNTITLED}
          </button>
        </h1>
      )}
      <Viewers viewers={viewers} you={you} />
    </header>
  )
})
