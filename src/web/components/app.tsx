/**
 * The page: the list at the left (a drawer where there is little room), one conversation at the right, and the few
 * things that belong to neither.
 */
import { useEffect, useErrorBoundary } from 'preact/hooks'
import type { AppModel } from '../app-model.ts'
import { useStore } from '../store.ts'
import { ConversationView } from './conversation-view.tsx'
import { NewConversation } from './new-conversation.tsx'
import { Sidebar } from './sidebar.tsx'
import { Toast } from './toast.tsx'

export function App({ model }: { readonly model: AppModel }) {
  const { room, drawerOpen, toast } = useStore(model)
  const [broken] = useErrorBoundary()

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') model.setDrawer(false)
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey) return
      event.preventDefault()
      model.go(null)
      document.querySelector<HTMLElement>('.composer textarea')?.focus()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [model])

  if (broken) return <Broken />
  return (
    <div class={drawerOpen ? 'app drawer-open' : 'app'}>
      <a class="skip-link" href="#composer">
        Skip to the message field
      </a>
      <Sidebar model={model} current={room?.id ?? null} />
      <div class="backdrop" onClick={() => model.setDrawer(false)} />
      <main class="main" inert={drawerOpen}>
        {room ? (
          <ConversationView key={room.id} model={model} room={room} />
        ) : (
          <NewConversation model={model} />
        )}
        {toast !== null && <Toast text={toast} onClose={() => model.say(null)} />}
      </main>
    </div>
  )
}

function Broken() {
  return (
    <div class="empty-state" role="alert">
      <h1>Something in this page broke</h1>
      <p>Your conversations are safe on the server.</p>
      <button type="button" class="button primary" onClick={() => location.reload()}>
        Reload the page
      </button>
    </div>
  )
}
