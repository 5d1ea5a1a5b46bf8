/**
 * Where an invitation leads: into the conversation, at once for somebody who is somebody here; a stranger is asked first
 * who they want to be. Whether the link is good is only known by accepting it.
 */
import { useEffect, useState } from 'preact/hooks'
import { MembersApi } from '../../client/api-members.ts'
import { ParleyError } from '../../client/index.ts'
import type { AppModel } from '../app-model.ts'
import { MenuButton } from '../components/menu-button.tsx'
import { WhoToBe } from '../components/signed-out.tsx'
import { errorText } from '../error-text.ts'
import { useStore } from '../store.ts'

interface InvitePageProps {
  readonly model: AppModel
  readonly token: string
}

export function InvitePage({ model, token }: InvitePageProps) {
  const { user } = useStore(model.parley.session)
  const [failure, setFailure] = useState<ParleyError | null>(null)
  const [attempt, setAttempt] = useState(0)

  useEffect(() => {
    document.title = 'Invitation · Parley'
  }, [])
  useEffect(() => {
    if (!user) return
    let isGone = false
    setFailure(null)
    const join = async () => {
      const { conversationId } = await new MembersApi(model.parley.caller).acceptInvite(token)
      model.list.tellTabs()
      void model.list.refresh()
      // Not in the history: going back must not use the link again.
      if (!isGone) model.visit({ view: 'chat', id: conversationId }, true)
    }
    join().catch((error: unknown) => !isGone && setFailure(ParleyError.from(error)))
    return () => (isGone = true)
  }, [user?.id, token, attempt])

  return (
    <section class="conversation" aria-label="Invitation">
      <header class="bar">
        <MenuButton model={model} />
      </header>
      <div class="empty-state">
        {!user && (
          <>
            <h1>You are invited to a conversation</h1>
            <p>Who do you want to be there? Others see your name beside what you write.</p>
            <WhoToBe model={model} />
          </>
        )}
        {user && !failure && (
          <div role="status">
            <h1>Joining the conversation…</h1>
          </div>
        )}
        {failure && <Failed failure={failure} model={model} onRetry={() => setAttempt(attempt + 1)} />}
      </div>
    </section>
  )
}

interface FailedProps {
  readonly failure: ParleyError
  readonly model: AppModel
  readonly onRetry: () => void
}

function Failed({ failure, model, onRetry }: FailedProps) {
  const isOver = failure.code === 'not_found'
  return (
    <>
      <div role="alert">
        <h1>{isOver ? 'This invitation is not good any more' : 'Joining did not work'}</h1>
        <p>
          {isOver
            ? 'It has expired, was used up or revoked, or the link is not complete. Ask for a new one.'
            : errorText(failure)}
        </p>
      </div>
      <div class="choices">
        {failure.retryable && (
          <button type="button" class="button primary" onClick={onRetry}>
            Try again
          </button>
        )}
        <button type="button" class="button" onClick={() => model.go(null)}>
          Start a new conversation
        </button>
      </div>
    </>
  )
}
