/**
 * One's own webhooks: addresses that are told when an answer is complete. Adding one, which shows its secret once, and the
 * list; what can be done with each is `webhook-row.tsx`.
 */
import { useMemo, useState } from 'preact/hooks'
import { WebhooksApi } from '../../client/api-webhooks.ts'
import type { Parley } from '../../client/index.ts'
import { Dialog } from '../components/dialog.tsx'
import { Failure, Field, Form } from './form.tsx'
import { SecretLink } from './secret-link.tsx'
import { useLoad, useTask } from './use-task.ts'
import { WebhookRow } from './webhook-row.tsx'

interface WebhooksDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function WebhooksDialog({ parley, onClose }: WebhooksDialogProps) {
  const api = useMemo(() => WebhooksApi.mine(parley.caller), [parley])
  const { data, error, reload } = useLoad('webhooks', () => api.list())
  const [url, setUrl] = useState('')
  const [secret, setSecret] = useState<string | null>(null)
  const adding = useTask()
  return (
    <Dialog title="Webhooks" isWide onClose={onClose}>
      <p>An address of yours that is told when one of your answers is complete. Each request is signed.</p>
      <Form
        task={adding}
        fields={['url']}
        submit="Add"
        onSubmit={async () => {
          setSecret((await api.create({ url, events: ['turn.completed'] })).secret)
          setUrl('')
          reload()
        }}
      >
        <Field
          label="Address"
          name="url"
          hint="It begins with https:// and can be reached from the internet."
          maxLength={2_048}
          value={url}
          onChange={setUrl}
          task={adding}
          isRequired
          hasFocus
        />
      </Form>
      {secret !== null && (
        <SecretLink what="secret" label="With this secret your program checks signatures." text={secret} />
      )}
      <Failure error={error} />
      {!data && !error && <p role="status">Loading…</p>}
      {data?.length === 0 && <p class="dialog-foot">You have no webhooks.</p>}
      {data && data.length > 0 && (
        <ul class="rows" aria-label="Your webhooks">
          {data.map((webhook) => (
            <WebhookRow
              key={webhook.id}
              api={api}
              webhook={webhook}
              onChanged={(fresh) => {
                if (fresh !== undefined) setSecret(fresh)
                reload()
              }}
            />
          ))}
        </ul>
      )}
    </Dialog>
  )
}
