/**
 * Deleting everything of mine: says what goes, asks for the password where there is one, and then shows the receipt until
 * the work is done. The work goes on when the dialog is closed; the receipt's address stays good.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Parley } from '../../client/index.ts'
import { AccountApi } from '../../client/api-account.ts'
import type { Receipt, RemovedCounts } from '../../protocol/privacy.ts'
import { CopyButton } from '../components/copy-button.tsx'
import { Dialog } from '../components/dialog.tsx'
import { fullTime } from '../dates.ts'
import { Failure, Field, Form } from './form.tsx'
import { wrongAt } from './password-fault.ts'
import { useLoad, useTask } from './use-task.ts'

/** How often the receipt is read while the work goes on. */
const LOOK_EVERY_MS = 1_000

interface EraseDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function EraseDialog({ parley, onClose }: EraseDialogProps) {
  const api = useMemo(() => new AccountApi(parley.caller), [parley])
  const [hasPassword] = useState(parley.session.snapshot.state === 'account')
  const [password, setPassword] = useState('')
  const [isSure, setSure] = useState(false)
  const [receiptId, setReceiptId] = useState<string | null>(null)
  const task = useTask()

  if (receiptId !== null) return <ReceiptView api={api} receiptId={receiptId} onClose={onClose} />
  return (
    <Dialog title="Delete my data" onClose={onClose}>
      <p>This deletes, for good and for everyone:</p>
      <ul class="bullets">
        <li>your conversations with everything in them, also for those you invited</li>
        <li>what you said in conversations of others</li>
        <li>links that you made, your usage, your devices{hasPassword ? ' and your account' : ''}</li>
      </ul>
      <p>It begins at once and cannot be stopped or undone. You may want to export your data first.</p>
      <Form
        task={task}
        fields={['password']}
        submit="Delete everything"
        isDanger
        onCancel={onClose}
        onSubmit={async () => {
          if (!isSure) return
          const erase = () => api.erase(hasPassword ? { password } : {})
          setReceiptId(await wrongAt('password', 'wrong_password', erase))
          await parley.account.end('erased')
        }}
      >
        {hasPassword && (
          <Field
            label="Your password"
            name="password"
            type="password"
            autocomplete="current-password"
            value={password}
            onChange={setPassword}
            task={task}
            isRequired
          />
        )}
        <label class="check">
          <input
            type="checkbox"
            required
            checked={isSure}
            onChange={(event) => setSure(event.currentTarget.checked)}
          />
          <span>I know that this cannot be undone</span>
        </label>
      </Form>
    </Dialog>
  )
}

const KINDS: readonly (readonly [keyof RemovedCounts, string])[] = [
  ['conversations', 'Conversations'],
  ['memberships', 'Conversations of others, left'],
  ['messages', 'Messages in those'],
  ['sessions', 'Devices'],
  ['keys', 'Keys'],
  ['webhooks', 'Webhooks'],
  ['usageRows', 'Usage records'],
  ['account', 'Account'],
]

interface ReceiptViewProps {
  readonly api: AccountApi
  readonly receiptId: string
  readonly onClose: () => void
}

function ReceiptView({ api, receiptId, onClose }: ReceiptViewProps) {
  const { data, error, reload } = useLoad(receiptId, () => api.receipt(receiptId))
  const isDone = data?.state === 'finished'
  useEffect(() => {
    if (isDone) return
    const timer = setTimeout(reload, LOOK_EVERY_MS)
    return () => clearTimeout(timer)
  }, [data, error, isDone])

  const address = `${location.origin}/api/erasures/${receiptId}`
  return (
    <Dialog title={isDone ? 'Your data is deleted' : 'Your data is being deleted'} onClose={onClose}>
      <p role="status">{statusText(data)}</p>
      {data && (
        <table class="table">
          <tbody>
            {KINDS.filter(([kind]) => data.removed[kind] > 0).map(([kind, name]) => (
              <tr key={kind}>
                <th scope="row">{name}</th>
                <td class="number">{data.removed[kind]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {!data && <Failure error={error} />}
      <p class="field-hint">
        This is the address of your receipt. It does not say who you were; keep it if you want proof.
      </p>
      <div class="secret-link">
        <code>{address}</code>
        <CopyButton text={address} label="Copy the address of the receipt" />
      </div>
      <div class="dialog-actions">
        <button type="button" class="button primary" autofocus onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  )
}

function statusText(data: Receipt | null): string {
  if (data?.state !== 'finished') return 'This takes a moment. It goes on when you close this.'
  return data.finishedAt === null ? 'Done.' : `Finished on ${fullTime(data.finishedAt)}.`
}
