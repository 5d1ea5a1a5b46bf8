/**
 * Suspending somebody, for a reason that is written down: it stands in the list and in the trail, and is what the next
 * administrator has to go by.
 */
import { useState } from 'preact/hooks'
import type { AdminApi } from '../../client/api-admin.ts'
import { MAX_REASON_CHARS, type AdminUser } from '../../protocol/admin.ts'
import { Dialog } from '../components/dialog.tsx'
import { Field, Form } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'

interface SuspendDialogProps {
  readonly api: AdminApi
  readonly user: AdminUser
  /** With the person as they are now, or null when nothing was done. */
  readonly onClose: (fresh: AdminUser | null) => void
}

export function SuspendDialog({ api, user, onClose }: SuspendDialogProps) {
  const [reason, setReason] = useState('')
  const task = useTask()
  return (
    <Dialog title={`Suspend ${user.name}?`} onClose={() => onClose(null)}>
      <p>
        They are cut off at once and cannot sign in until somebody unsuspends them. Nothing of theirs is
        deleted.
      </p>
      <Form
        task={task}
        fields={['reason']}
        submit="Suspend"
        isDanger
        onCancel={() => onClose(null)}
        onSubmit={async () => onClose(await api.suspend(user.id, reason))}
      >
        <Field
          label="Reason"
          name="reason"
          value={reason}
          onChange={setReason}
          task={task}
          maxLength={MAX_REASON_CHARS}
          isRequired
          hasFocus
        />
      </Form>
    </Dialog>
  )
}
