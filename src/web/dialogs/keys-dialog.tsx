/**
 * Keys for programs that use Parley: making one, which shows it once, and the list of those in
 * force, each of which can be revoked. What a scope allows is `protocol/permissions.ts`.
 */
import { useMemo, useState } from 'preact/hooks'
import { AccountApi } from '../../client/api-account.ts'
import type { Parley } from '../../client/index.ts'
import { MAX_KEY_NAME_CHARS, type ServiceKey } from '../../protocol/accounts.ts'
import type { Scope } from '../../protocol/permissions.ts'
import { Dialog } from '../components/dialog.tsx'
import { fullTime, shortTime } from '../dates.ts'
import { Choice, Failure, Field, Form } from './form.tsx'
import { SecretLink } from './secret-link.tsx'
import { useLoad, useTask } from './use-task.ts'

/** What a key may do, as one choice: writing without reading serves few. */
const RIGHTS = [
  ['chat read', 'Read and write'],
  ['read', 'Only read'],
  ['chat', 'Only write'],
] as const
type Rights = (typeof RIGHTS)[number][0]

const SCOPES: Record<Rights, Scope[]> = { 'chat read': ['chat', 'read'], read: ['read'], chat: ['chat'] }

const DAYS = [
  ['30', 'After a month'],
  ['90', 'After three months'],
  ['365', 'After a year'],
  ['', 'Never'],
] as const

interface KeysDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function KeysDialog({ parley, onClose }: KeysDialogProps) {
  const api = useMemo(() => new AccountApi(parley.caller), [parley])
  const { data, error, reload } = useLoad('keys', () => api.keys())
  const [name, setName] = useState('')
  const [rights, setRights] = useState<Rights>('chat read')
  const [days, setDays] = useState<(typeof DAYS)[number][0]>('90')
  const [secret, setSecret] = useState<string | null>(null)
  const making = useTask()
  const revoking = useTask()
  const revoke = async ({ id }: ServiceKey) => {
    if (!(await revoking.run(() => api.revokeKey(id)))) return
    setSecret(null)
    reload()
  }
  return (
    <Dialog title="API keys" isWide onClose={onClose}>
      <p>
        A program with a key is a member of its own, with its own conversations. What it uses counts as yours.
      </p>
      <Form
        task={making}
        fields={['name']}
        submit="Make a key"
        onSubmit={async () => {
          const body = { name, scopes: SCOPES[rights], ...(days !== '' && { expiresInDays: Number(days) }) }
          setSecret((await api.createKey(body)).key)
          setName('')
          reload()
        }}
      >
        <Field
          label="Name"
          name="name"
          hint="To know it by, such as the program that uses it."
          maxLength={MAX_KEY_NAME_CHARS}
          value={name}
          onChange={setName}
          task={making}
          isRequired
          hasFocus
        />
        <div class="field-row">
          <Choice label="It can" value={rights} options={RIGHTS} onChange={setRights} />
          <Choice label="It ends" value={days} options={DAYS} onChange={setDays} />
        </div>
      </Form>
      {secret !== null && <SecretLink what="key" label="Whoever has this key can use it." text={secret} />}
      <Failure error={error ?? revoking.error} />
      {!data && !error && <p role="status">Loading…</p>}
      {data?.length === 0 && <p class="dialog-foot">You have no keys.</p>}
      {data && data.length > 0 && (
        <ul class="rows" aria-label="Your keys">
          {data.map((key) => (
            <li key={key.id} class="row">
              <div class="row-text">
                <b>{key.name}</b>
                <span title={`Made ${fullTime(key.createdAt)}`}>{describe(key)}</span>
              </div>
              <button
                type="button"
                class="button small"
                disabled={revoking.isBusy}
                aria-label={`Revoke ${key.name}`}
                onClick={() => void revoke(key)}
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

function describe({ scopes, expiresAt }: ServiceKey): string {
  const named = RIGHTS.find(([value]) => SCOPES[value].toSorted().join() === scopes.toSorted().join())
  const isOver = expiresAt !== null && Date.parse(expiresAt) <= Date.now()
  const end = expiresAt === null ? 'never ends' : isOver ? 'expired' : `until ${shortTime(expiresAt)}`
  return `${named?.[1] ?? scopes.join(', ')} · ${end}`
}
