/**
 * The page: the list at the left (a drawer where there is little room), one conversation at the right, and the few
 * things that belong to neither.
 */
import { useEffect, useErrorBoundary } from 'preact/hooks'
import type { AppModel } from '../app-model.ts'
import { useStore } from '../store.ts'
import { ConversationView } from './conversation-view.tsx'
import { lazy } from './lazy.tsx'
import { NewConversation } from './new-conversation.tsx'
import { Sidebar } from './sidebar.tsx'
import { Toast } from './toast.tsx'

const DialogHost = lazy(async () => (await import('../dialogs/dialog-host.tsx')).DialogHost)
const SignedOut = lazy(async () => (await import('./signed-out.tsx')).SignedOut)
const InvitePage = lazy(async () => (await import('../invite/invite-page.tsx')).InvitePage)
const AdminPage = lazy(async () => (await import('../admin/admin-page.tsx')).AdminPage)

export function App({ model }: { readonly model: AppModel }) {
  const { route, room, dialog, drawerOpen, toast } = useStore(model)
  const session = useStore(model.parley.session)
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
        {session.state === 'ended' ? (
          <SignedOut model={model} session={session} />
        ) : route.view === 'invite' ? (
          <InvitePage key={route.token} model={model} token={route.token} />
        ) : route.view === 'admin' ? (
          <AdminPage model={model} />
        ) : room ? (
          <ConversationView key={room.id} model={model} room={room} />
        ) : (
          <NewConversation model={model} />
        )}
        {toast !== null && <Toast text={toast} onClose={() => model.say(null)} />}
      </main>
      {dialog && <DialogHost model={model} dialog={dialog} />}
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
