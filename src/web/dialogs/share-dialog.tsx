/**
 * Links that show a branch of a conversation to anybody, to read: making one, which shows it once, and the list of those
 * that are out. What such a link shows, and nothing else, is `share/share-page.tsx`.
 */
import { useMemo, useState } from 'preact/hooks'
import { MembersApi } from '../../client/api-members.ts'
import type { Share } from '../../protocol/members.ts'
import type { AppModel } from '../app-model.ts'
import { Dialog } from '../components/dialog.tsx'
import { fullTime, shortTime } from '../dates.ts'
import { linkTo } from '../route.ts'
import { Choice, Failure, Form } from './form.tsx'
import { SecretLink } from './secret-link.tsx'
import { useLoad, useTask } from './use-task.ts'

const MODES = [
  ['snapshot', 'What is here now'],
  ['live', 'Also what comes later'],
] as const
const NAMES: Record<Share['mode'], string> = {
  snapshot: 'What was here then',
  live: 'Goes on with the conversation',
}
const DAYS = [
  ['', 'When you revoke it'],
  ['1', 'After a day'],
  ['7', 'After a week'],
  ['30', 'After a month'],
] as const

interface ShareDialogProps {
  readonly model: AppModel
  readonly id: string
  readonly onClose: () => void
}

export function ShareDialog({ model, id, onClose }: ShareDialogProps) {
  const api = useMemo(() => new MembersApi(model.parley.caller), [model])
  const { data, error, reload } = useLoad(id, () => api.shares(id))
  const [mode, setMode] = useState<Share['mode']>('snapshot')
  const [days, setDays] = useState<(typeof DAYS)[number][0]>('')
  const [requireSignIn, setRequireSignIn] = useState(false)
  const [token, setToken] = useState<string | null>(null)
  const making = useTask()
  const revoking = useTask()

  return (
    <Dialog title="Share a link to read" isWide onClose={onClose}>
      <p>A link shows the messages, without names. Nobody can write through it or find anything else.</p>
      <Form
        task={making}
        submit="Make a link"
        onSubmit={async () => {
          const options = { mode, requireSignIn, ...(days !== '' && { expiresInDays: Number(days) }) }
          setToken((await api.share(id, options)).token)
          reload()
        }}
      >
        <div class="field-row">
          <Choice label="It shows" value={mode} options={MODES} onChange={setMode} />
          <Choice label="It ends" value={days} options={DAYS} onChange={setDays} />
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={requireSignIn}
            onChange={(event) => setRequireSignIn(event.currentTarget.checked)}
          />
          <span>Only for people with an account</span>
        </label>
      </Form>
      {token !== null && (
        <SecretLink what="link" label="Whoever has this link can read." text={linkTo('share', token)} />
      )}
      <Failure error={error ?? revoking.error} />
      {data && data.length > 0 && (
        <ul class="rows" aria-label="Links that are out">
          {data.map((share) => (
            <li key={share.id} class="row">
              <div class="row-text">
                <b>{NAMES[share.mode]}</b>
                <span title={`Since ${fullTime(share.createdAt)}`}>{describe(share)}</span>
              </div>
              <button
                type="button"
                class="button small"
                disabled={revoking.isBusy}
                aria-label={`Revoke the link: ${NAMES[share.mode]}, ${describe(share)}`}
                onClick={() => void revoking.run(() => api.revokeShare(id, share.id)).then(reload)}
              >
                Revoke
              </button>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  )
}

function describe({ createdAt, expiresAt, requireSignIn }: Share): string {
  const isOver = expiresAt !== null && Date.parse(expiresAt) <= Date.now()
  const end = expiresAt === null ? 'until revoked' : isOver ? 'expired' : `until ${shortTime(expiresAt)}`
  return [`Made ${shortTime(createdAt)}`, end, ...(requireSignIn ? ['only with an account'] : [])].join(' · ')
}
