/**
 * Links that let others into a conversation: making one, which shows it once, and the list of those that are out, each of
 * which can be revoked.
 */
import { useState } from 'preact/hooks'
import type { MembersApi } from '../../client/api-members.ts'
import type { GivenRole, Invite } from '../../protocol/members.ts'
import { fullTime, shortTime } from '../dates.ts'
import { linkTo } from '../route.ts'
import { Choice, Failure, Form } from './form.tsx'
import { GIVEN_ROLES, ROLE_NAMES } from './role-names.ts'
import { SecretLink } from './secret-link.tsx'
import { useLoad, useTask } from './use-task.ts'

const HOURS = [
  ['1', 'An hour'],
  ['24', 'A day'],
  ['168', 'A week'],
  ['720', 'A month'],
] as const
const USES = [
  ['1', 'One person'],
  ['5', 'Five people'],
  ['25', '25 people'],
  ['', 'Anybody with it'],
] as const

interface InviteSectionProps {
  readonly api: MembersApi
  readonly id: string
}

export function InviteSection({ api, id }: InviteSectionProps) {
  const { data, error, reload } = useLoad(id, () => api.invites(id))
  const [role, setRole] = useState<GivenRole>('editor')
  const [hours, setHours] = useState<(typeof HOURS)[number][0]>('168')
  const [uses, setUses] = useState<(typeof USES)[number][0]>('1')
  const [token, setToken] = useState<string | null>(null)
  const making = useTask()
  const revoking = useTask()

  return (
    <section class="dialog-section" aria-label="Invite links">
      <h3>Invite by link</h3>
      <Form
        task={making}
        submit="Make a link"
        onSubmit={async () => {
          const options = {
            role,
            expiresInHours: Number(hours),
            ...(uses !== '' && { maxUses: Number(uses) }),
          }
          setToken((await api.invite(id, options)).token)
          reload()
        }}
      >
        <div class="field-row">
          <Choice label="They" value={role} options={GIVEN_ROLES} onChange={setRole} />
          <Choice label="The link is for" value={uses} options={USES} onChange={setUses} />
          <Choice label="It works for" value={hours} options={HOURS} onChange={setHours} />
        </div>
      </Form>
      {token !== null && (
        <SecretLink what="link" label="Whoever has this link can join." text={linkTo('invite', token)} />
      )}
      <Failure error={error ?? revoking.error} />
      {data && data.length > 0 && (
        <ul class="rows" aria-label="Links that are out">
          {data.map((invite) => (
            <li key={invite.id} class="row">
              <div class="row-text">
                <b>{ROLE_NAMES[invite.role]}</b>
                <span title={`Until ${fullTime(invite.expiresAt)}`}>{describe(invite)}</span>
              </div>
              <button
                type="button"
                class="button small"
                disabled={revoking.isBusy}
                aria-label={`Revoke the link: ${ROLE_NAMES[invite.role]}, ${describe(invite)}`}
                onClick={() => void revoking.run(() => api.revokeInvite(id, invite.id)).then(reload)}
              >
                Revoke
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function describe({ uses, maxUses, expiresAt }: Invite): string {
  const isOver = Date.parse(expiresAt) <= Date.now()
  if (maxUses !== null && uses >= maxUses) return 'Used up'
  const times = uses === 0 ? 'Not used yet' : uses === 1 ? 'Used once' : `Used ${uses} times`
  const left = maxUses !== null && maxUses > 1 ? `, ${maxUses - uses} left` : ''
  return `${times}${left} · ${isOver ? 'expired' : `until ${shortTime(expiresAt)}`}`
}
