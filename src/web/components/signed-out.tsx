/**
 * The page while nobody is signed in who was: says why, and asks who to be. It never makes a guest by itself, since the
 * person may have something open that a guest would not find again.
 */
import { useEffect, useState } from 'preact/hooks'
import { ParleyError, type SessionSnapshot } from '../../client/index.ts'
import type { AppModel } from '../app-model.ts'
import { errorText } from '../error-text.ts'
import { MenuButton } from './menu-button.tsx'

type Ended = Extract<SessionSnapshot, { state: 'ended' }>

const TITLES: Record<Ended['reason'], string> = {
  chosen: 'You have signed out',
  refused: 'You have been signed out',
  suspended: 'This account is suspended',
  erased: 'Your data is being deleted',
}
const TEXTS: Record<Ended['reason'], string> = {
  chosen: 'Sign in again to see your conversations.',
  refused:
    'Your session was too old, or was ended from another device. Nothing is lost: sign in to go on where you were.',
  suspended: 'It cannot be used for now. Whoever runs this server can tell you more.',
  erased: 'Everything of yours on this server is being removed. You can start again at any time.',
}

export function SignedOut({ model, session }: { readonly model: AppModel; readonly session: Ended }) {
  useEffect(() => {
    document.title = 'Parley'
  }, [])
  return (
    <section class="conversation" aria-label="Signed out">
      <header class="bar">
        <MenuButton model={model} />
      </header>
      <div class="empty-state">
        <div role="status">
          <h1>{TITLES[session.reason]}</h1>
          <p>{TEXTS[session.reason]}</p>
        </div>
        <WhoToBe model={model} isNew={session.reason === 'erased'} />
      </div>
    </section>
  )
}

interface WhoToBeProps {
  readonly model: AppModel
  /** There is nobody to sign in as. */
  readonly isNew?: boolean
}

/** Sign in, register, or be a guest. */
export function WhoToBe({ model, isNew = false }: WhoToBeProps) {
  const [failure, setFailure] = useState<string | null>(null)
  const beGuest = () => {
    setFailure(null)
    model.parley.account
      .continueAsGuest()
      .catch((error: unknown) => setFailure(errorText(ParleyError.from(error))))
  }
  return (
    <>
      <div class="choices">
        {!isNew && (
          <button type="button" class="button primary" onClick={() => model.open({ kind: 'sign-in' })}>
            Sign in
          </button>
        )}
        <button
          type="button"
          class={isNew ? 'button primary' : 'button'}
          onClick={() => model.open({ kind: 'register' })}
        >
          Create an account
        </button>
        <button type="button" class="button" onClick={beGuest}>
          Continue as guest
        </button>
      </div>
      {failure !== null && (
        <p class="form-error" role="alert">
          {failure}
        </p>
      )}
    </>
  )
}
