/**
 * People with an account, or whom an administrator has dealt with: looking them up, their role and plan, suspending them.
 * Nobody changes themselves here, so that the last administrator cannot lock themselves out by a slip.
 */
import { useState } from 'preact/hooks'
import type { AdminApi } from '../../client/api-admin.ts'
import type { AdminUser } from '../../protocol/admin.ts'
import { fullTime, shortTime } from '../dates.ts'
import { Choice, Failure } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'
import { ListEnd } from './list-end.tsx'
import { SuspendDialog } from './suspend-dialog.tsx'
import { usePages } from './use-pages.ts'

const ROLES = [
  ['user', 'User'],
  ['moderator', 'Moderator'],
  ['admin', 'Admin'],
] as const
const PLANS = ['guest', 'free', 'pro', 'unlimited']

interface UserTableProps {
  readonly api: AdminApi
  readonly you: string
  readonly canChange: boolean
  readonly canSuspend: boolean
}

export function UserTable({ api, you, canChange, canSuspend }: UserTableProps) {
  const [typed, setTyped] = useState('')
  const [query, setQuery] = useState('')
  const [suspending, setSuspending] = useState<AdminUser | null>(null)
  const task = useTask()
  const pages = usePages(query, async (cursor) => {
    const { users, next } = await api.users({ ...(query !== '' && { q: query }), cursor })
    return { rows: users, next }
  })
  const change = (user: AdminUser, work: () => Promise<AdminUser>) =>
    void task.run(async () => pages.replace(user, await work()))

  return (
    <>
      <form
        class="filters"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          setQuery(typed.trim())
        }}
      >
        <label class="field grow">
          <span>Find people</span>
          <input
            type="search"
            placeholder="Email or name, as it begins, or an id"
            maxLength={254}
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button">
          Search
        </button>
      </form>
      <Failure error={task.error} />
      {pages.rows.length > 0 && (
        <div class="table-box">
          <table class="table stacked">
            <thead>
              <tr>
                <th scope="col">Person</th>
                <th scope="col">Role</th>
                <th scope="col">Plan</th>
                <th scope="col">Last seen</th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {pages.rows.map((user) => {
                const isFixed = !canChange || user.id === you || user.role === 'guest' || task.isBusy
                return (
                  <tr key={user.id}>
                    <td>
                      <b>{user.name}</b>
                      <span class="sub">{user.email ?? user.id}</span>
                    </td>
                    <td data-label="Role">
                      {user.role === 'guest' || user.role === 'service' ? (
                        user.role
                      ) : (
                        <Choice
                          label={`Role of ${user.name}`}
                          isHidden
                          value={user.role}
                          options={ROLES}
                          isDisabled={isFixed}
                          onChange={(role) => change(user, () => api.changeUser(user.id, { role }))}
                        />
                      )}
                    </td>
                    <td data-label="Plan">
                      <Choice
                        label={`Plan of ${user.name}`}
                        isHidden
                        value={user.plan}
                        options={[...new Set([...PLANS, user.plan])].map((plan) => [plan, plan] as const)}
                        isDisabled={!canChange || task.isBusy}
                        onChange={(plan) => change(user, () => api.changeUser(user.id, { plan }))}
                      />
                    </td>
                    <td data-label="Last seen">
                      {user.lastSeenAt === null ? (
                        'never'
                      ) : (
                        <time dateTime={user.lastSeenAt} title={fullTime(user.lastSeenAt)}>
                          {shortTime(user.lastSeenAt)}
                        </time>
                      )}
                    </td>
                    <td data-label="State">
                      {user.suspended && (
                        <span class="sub danger" title={fullTime(user.suspended.at)}>
                          Suspended: {user.suspended.reason}
                        </span>
                      )}
                      {!user.suspended && user.id === you && 'You'}
                      {canSuspend && user.id !== you && (
                        <button
                          type="button"
                          class="button small"
                          disabled={task.isBusy}
                          aria-label={`${user.suspended ? 'Unsuspend' : 'Suspend'} ${user.name}`}
                          onClick={() =>
                            user.suspended ? change(user, () => api.unsuspend(user.id)) : setSuspending(user)
                          }
                        >
                          {user.suspended ? 'Unsuspend' : 'Suspend'}
                        </button>
                      )}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
      <ListEnd pages={pages} empty="Nobody was found." />
      {suspending && (
        <SuspendDialog
          api={api}
          user={suspending}
          onClose={(fresh) => {
            if (fresh) pages.replace(suspending, fresh)
            setSuspending(null)
          }}
        />
      )}
    </>
  )
}
