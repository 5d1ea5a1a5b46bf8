/**
 * Who is in a conversation, and as what. The owner changes that and invites; the others can leave. It is read again
 * whenever the room says that members have changed, so two owners' windows never disagree for long.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { MembersApi } from '../../client/api-members.ts'
import type { Member } from '../../protocol/members.ts'
import type { AppModel } from '../app-model.ts'
import { Dialog } from '../components/dialog.tsx'
import { fullTime, shortTime } from '../dates.ts'
import { may } from '../may.ts'
import { Choice, Failure } from './form.tsx'
import { InviteSection } from './invite-section.tsx'
import { GIVEN_ROLES, ROLE_NAMES } from './role-names.ts'
import { useLoad, useTask } from './use-task.ts'

interface MembersDialogProps {
  readonly model: AppModel
  readonly id: string
  readonly onClose: () => void
}

export function MembersDialog({ model, id, onClose }: MembersDialogProps) {
  const api = useMemo(() => new MembersApi(model.parley.caller), [model])
  const { data, error, reload } = useLoad(id, () => api.list(id))
  const task = useTask()
  const [asked, setAsked] = useState<string | null>(null)
  const { room } = model.snapshot
  const you = model.parley.session.user?.id

  useEffect(() => {
    if (room?.id !== id) return
    let { members } = room.snapshot.state
    return room.subscribe(() => {
      const now = room.snapshot.state.members
      if (now !== members) reload()
      members = now
    })
  }, [room, id])

  const remove = async (member: Member) => {
    if (!(await task.run(() => api.remove(id, member.userId)))) return
    setAsked(null)
    if (member.userId !== you) return reload()
    onClose()
    model.gone(id)
  }
  const role = data?.you
  const rules = role !== undefined && may('conversation:members', role)
  return (
    <Dialog title="Members" isWide onClose={onClose}>
      <Failure error={error ?? task.error} />
      {!data && !error && <p role="status">Loading…</p>}
      <ul class="rows">
        {data?.members.map((member) => {
          const name = member.name ?? 'Not here yet'
          const isYou = member.userId === you
          const canRemove = isYou ? may('conversation:leave', role) : rules && member.role !== 'owner'
          return (
            <li key={member.userId} class="row">
              <div class="row-text">
                <b>
                  {name}
                  {isYou && <span class="badge">You</span>}
                </b>
                <span title={fullTime(member.joinedAt)}>Joined {shortTime(member.joinedAt)}</span>
              </div>
              {rules && !isYou && member.role !== 'owner' ? (
                <Choice
                  label={`Role of ${name}`}
                  isHidden
                  value={member.role}
                  options={GIVEN_ROLES}
                  isDisabled={task.isBusy}
                  onChange={(next) =>
                    void task.run(() => api.changeRole(id, member.userId, next)).then(reload)
                  }
                />
              ) : (
                <span class="row-note">{ROLE_NAMES[member.role]}</span>
              )}
              {canRemove &&
                (asked === member.userId ? (
                  <button
                    type="button"
                    class="button small danger"
                    disabled={task.isBusy}
                    aria-label={isYou ? 'Yes, leave' : `Yes, remove ${name}`}
                    onBlur={() => !task.isBusy && setAsked(null)}
                    onClick={() => void remove(member)}
                  >
                    {isYou ? 'Yes, leave' : 'Yes, remove'}
                  </button>
                ) : (
                  <button
                    type="button"
                    class="button small"
                    aria-label={isYou ? 'Leave the conversation' : `Remove ${name}`}
                    onClick={() => setAsked(member.userId)}
                  >
                    {isYou ? 'Leave' : 'Remove'}
                  </button>
                ))}
            </li>
          )
        })}
      </ul>
      {rules && <InviteSection api={api} id={id} />}
    </Dialog>
  )
}
