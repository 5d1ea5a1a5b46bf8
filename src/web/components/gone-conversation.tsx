/**
 * Where a conversation was, or never was. The two are told apart only as far as the server tells:
 * a conversation that belongs to somebody else looks like one that does not exist (rule E3).
 */
import { useEffect } from 'preact/hooks'
import type { AppModel } from '../app-model.ts'
import { MenuButton } from './menu-button.tsx'

export function GoneConversation({
  model,
  wasDeleted,
}: {
  readonly model: AppModel
  readonly wasDeleted: boolean
}) {
  useEffect(() => {
    document.title = 'Parley'
  }, [])
  return (
    <section class="conversation">
      <header class="bar">
        <MenuButton model={model} />
      </header>
      <div class="empty-state" role="status">
        <h1>{wasDeleted ? 'This conversation was deleted' : 'There is no such conversation'}</h1>
        <p>
          {wasDeleted
            ? 'Somebody deleted it, here or in another window.'
            : 'It may have been deleted, or it belongs to somebody else.'}
        </p>
        <button type="button" class="button primary" onClick={() => model.go(null)}>
          Start a new conversation
        </button>
      </div>
    </section>
  )
}
