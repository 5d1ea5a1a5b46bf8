/**
 * Where a conversation was, or never was. They are told apart only as far as the server tells: a conversation that
 * belongs to somebody else looks like one that does not exist (rule E3).
 */
import { useEffect } from 'preact/hooks'
import type { AppModel } from '../app-model.ts'
import { MenuButton } from './menu-button.tsx'

type Reason = 'deleted' | 'not_found' | 'removed'

const SAID: Record<Reason, readonly [title: string, text: string]> = {
  deleted: ['This conversation was deleted', 'Somebody deleted it, here or in another window.'],
  not_found: ['There is no such conversation', 'It may have been deleted, or it belongs to somebody else.'],
  removed: [
    'You are no longer in this conversation',
    'Its owner has removed you, or you have left it in another window. An invitation brings you back.',
  ],
}

export function GoneConversation({ model, reason }: { readonly model: AppModel; readonly reason: Reason }) {
  useEffect(() => {
    document.title = 'Parley'
  }, [])
  const [title, text] = SAID[reason]
  return (
    <section class="conversation">
      <header class="bar">
        <MenuButton model={model} />
      </header>
      <div class="empty-state" role="status">
        <h1>{title}</h1>
        <p>{text}</p>
        <button type="button" class="button primary" onClick={() => model.go(null)}>
          Start a new conversation
        </button>
      </div>
    </section>
  )
}
