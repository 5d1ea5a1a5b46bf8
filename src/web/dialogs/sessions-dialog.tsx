/**
 * The devices on which one is signed in, this one marked; each of the others can be signed out from here.
 * Signing out everywhere is in the menu of the account.
 */
import { useMemo } from 'preact/hooks'
import type { Parley } from '../../client/index.ts'
import { AccountApi } from '../../client/api-account.ts'
import type { Session } from '../../protocol/accounts.ts'
import { Dialog } from '../components/dialog.tsx'
import { fullTime, shortTime } from '../dates.ts'
import { deviceName } from './device-name.ts'
import { Failure } from './form.tsx'
import { useLoad, useTask } from './use-task.ts'

interface SessionsDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function SessionsDialog({ parley, onClose }: SessionsDialogProps) {
  const api = useMemo(() => new AccountApi(parley.caller), [parley])
  const { data, error, reload } = useLoad('sessions', () => api.sessions())
  const task = useTask()
  const end = async (session: Session) => {
    if (await task.run(() => api.endSession(session.id))) reload()
  }
  return (
    <Dialog title="Where you are signed in" isWide onClose={onClose}>
      <Failure error={error ?? task.error} />
      {!data && !error && <p role="status">Loading…</p>}
      <ul class="rows">
        {data?.map((session) => (
          <li key={session.id} class="row">
            <div class="row-text">
              <b title={session.agent}>{deviceName(session.agent)}</b>
              <span>
                {!session.current && `Last used ${shortTime(session.lastUsedAt)} · `}
                {session.address && `${session.address} · `}signed in{' '}
                <time dateTime={session.createdAt} title={fullTime(session.createdAt)}>
                  {shortTime(session.createdAt)}
                </time>
              </span>
            </div>
            {session.current ? (
              <span class="badge">This device</span>
            ) : (
              <button
                type="button"
                class="button small"
                disabled={task.isBusy}
                aria-label={`Sign out ${deviceName(session.agent)}`}
                onClick={() => void end(session)}
              >
                Sign out
              </button>
            )}
          </li>
        ))}
      </ul>
    </Dialog>
  )
}
