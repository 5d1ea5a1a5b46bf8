/**
 * A shared branch, to read, in a light layout of its own: no list, no field, no names, no identity. Nobody becomes a guest
 * by looking at it; only a link that asks for an account brings up the sign-in.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { MembersApi } from '../../client/api-members.ts'
import type { Parley, ParleyError } from '../../client/index.ts'
import type { SharedBranch } from '../../protocol/members.ts'
import { UNTITLED } from '../components/conversation-item.tsx'
import { Logo } from '../components/icons.tsx'
import { Markdown } from '../components/markdown.tsx'
import { fullTime } from '../dates.ts'
import { AuthDialog } from '../dialogs/auth-dialog.tsx'
import { useLoad } from '../dialogs/use-task.ts'
import { errorText } from '../error-text.ts'
import { useStore } from '../store.ts'

interface SharePageProps {
  readonly parley: Parley
  readonly token: string
}

export function SharePage({ parley, token }: SharePageProps) {
  const session = useStore(parley.session)
  const api = useMemo(() => new MembersApi(parley.caller), [parley])
  const who = session.state === 'account' ? session.user.id : ''
  const { data, error, reload } = useLoad(`${token} ${who}`, () => api.shared(token))
  const [entering, setEntering] = useState<'sign-in' | 'register' | null>(null)

  useEffect(() => {
    document.title = data ? `${data.title || UNTITLED} · Parley` : 'Parley'
  }, [data])

  return (
    <div class="share-page">
      <header class="share-bar">
        <a class="brand" href="/">
          <Logo size={24} />
          <span>Parley</span>
        </a>
        <a class="button small" href="/">
          Start your own
        </a>
      </header>
      <main class="share-main">
        {data && !error && <Branch branch={data} />}
        {!data && !error && <p role="status">Loading…</p>}
        {error && <Refused error={error} onEnter={setEntering} onRetry={reload} />}
      </main>
      {entering && <AuthDialog parley={parley} mode={entering} onClose={() => setEntering(null)} />}
    </div>
  )
}

function Branch({ branch }: { readonly branch: SharedBranch }) {
  const { title, mode, sharedAt, isWhole, messages } = branch
  return (
    <article>
      <h1>{title || UNTITLED}</h1>
      <p class="share-about">
        Shared from Parley, <time dateTime={sharedAt}>{fullTime(sharedAt)}</time>
        {mode === 'live' && ' · shows the conversation as it goes on'}
      </p>
      {!isWhole && <p class="share-about">It is very long; its beginning is left out.</p>}
      <ol class="messages">
        {messages.map(({ role, text, createdAt }, index) => (
          <li key={index} class={role === 'user' ? 'message question foreign' : 'message answer completed'}>
            <article aria-label={role === 'user' ? 'Question' : 'Answer'} title={fullTime(createdAt)}>
              {role === 'user' ? (
                <div class="bubble">{text}</div>
              ) : (
                <Markdown text={text} isGrowing={false} />
              )}
            </article>
          </li>
        ))}
      </ol>
    </article>
  )
}

interface RefusedProps {
  readonly error: ParleyError
  readonly onEnter: (mode: 'sign-in' | 'register') => void
  readonly onRetry: () => void
}

function Refused({ error, onEnter, onRetry }: RefusedProps) {
  if (error.status === 401 || error.code === 'forbidden') {
    return (
      <div class="empty-state" role="status">
        <h1>Sign in to read this</h1>
        <p>Whoever shared this wants only people with an account to read it.</p>
        <div class="choices">
          <button type="button" class="button primary" onClick={() => onEnter('sign-in')}>
            Sign in
          </button>
          <button type="button" class="button" onClick={() => onEnter('register')}>
            Create an account
          </button>
        </div>
      </div>
    )
  }
  const isGone = error.code === 'not_found'
  return (
    <div class="empty-state" role="alert">
      <h1>{isGone ? 'There is nothing here any more' : 'This could not be read'}</h1>
      <p>
        {isGone
          ? 'The link has expired or was revoked, the conversation was deleted, or the link is not complete.'
          : errorText(error)}
      </p>
      {!isGone && (
        <button type="button" class="button primary" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}
