/**
 * A new password, for which the old one is asked. Other devices are signed out by it, which is said before.
 * The session that comes back is kept by the client library.
 */
import { useState } from 'preact/hooks'
import type { Parley } from '../../client/index.ts'
import { MIN_PASSWORD_CHARS } from '../../protocol/accounts.ts'
import { Dialog } from '../components/dialog.tsx'
import { Field, Form } from './form.tsx'
import { passwordFault, wrongAt } from './password-fault.ts'
import { useTask } from './use-task.ts'

interface PasswordDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function PasswordDialog({ parley, onClose }: PasswordDialogProps) {
  const [currentPassword, setCurrent] = useState('')
  const [newPassword, setNew] = useState('')
  const [isDone, setDone] = useState(false)
  const task = useTask()
  if (isDone) {
    return (
      <Dialog title="Your password is changed" onClose={onClose}>
        <p role="status">Your other devices are signed out.</p>
        <div class="dialog-actions">
          <button type="button" class="button primary" autofocus onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title="Change your password" onClose={onClose}>
      <p>All other devices will be signed out.</p>
      <Form
        task={task}
        fields={['currentPassword', 'newPassword']}
        submit="Change the password"
        onCancel={onClose}
        onSubmit={async () => {
          passwordFault('newPassword', newPassword)
          const change = () => parley.account.changePassword({ currentPassword, newPassword })
          await wrongAt('currentPassword', 'wrong_password', change)
          setDone(true)
        }}
      >
        {/* Tells password managers whose password this is. */}
        <input
          class="visually-hidden"
          type="email"
          autocomplete="username"
          value={parley.session.user?.email ?? ''}
          readOnly
          tabIndex={-1}
          aria-hidden="true"
        />
        <Field
          label="Current password"
          name="currentPassword"
          type="password"
          autocomplete="current-password"
          value={currentPassword}
          onChange={setCurrent}
          task={task}
          isRequired
          hasFocus
        />
        <Field
          label="New password"
          name="newPassword"
          type="password"
          autocomplete="new-password"
          value={newPassword}
          onChange={setNew}
          task={task}
          isRequired
          hint={`At least ${MIN_PASSWORD_CHARS} characters. A few words are good.`}
        />
      </Form>
    </Dialog>
  )
}
