/**
 * The name that others see. It is in the token, so the token is renewed after the change; what was said before keeps the
 * name of then.
 */
import { useMemo, useState } from 'preact/hooks'
import { AccountApi } from '../../client/api-account.ts'
import type { Parley } from '../../client/index.ts'
import { MAX_NAME_CHARS } from '../../protocol/accounts.ts'
import { Dialog } from '../components/dialog.tsx'
import { Field, Form } from './form.tsx'
import { useTask } from './use-task.ts'

interface NameDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function NameDialog({ parley, onClose }: NameDialogProps) {
  const api = useMemo(() => new AccountApi(parley.caller), [parley])
  const [name, setName] = useState(parley.session.user?.name ?? '')
  const task = useTask()
  return (
    <Dialog title="Change your name" onClose={onClose}>
      <p>Others see it beside what you write from now on.</p>
      <Form
        task={task}
        fields={['name']}
        submit="Save"
        onCancel={onClose}
        onSubmit={async () => {
          await api.rename(name)
          await parley.session.renew()
          onClose()
        }}
      >
        <Field
          label="Name"
          name="name"
          autocomplete="nickname"
          maxLength={MAX_NAME_CHARS}
          value={name}
          onChange={setName}
          task={task}
          isRequired
          hasFocus
        />
      </Form>
    </Dialog>
  )
}
