/**
 * Pausing: a provider, a model or all turns, for a reason that everybody reads whose question is refused. It acts within a
 * second everywhere, so it is asked for twice: by the button, and here.
 */
import { useState } from 'preact/hooks'
import type { AdminApi } from '../../client/api-admin.ts'
import { MAX_REASON_CHARS } from '../../protocol/admin.ts'
import type { SwitchTarget } from '../../protocol/operations.ts'
import { Dialog } from '../components/dialog.tsx'
import { Field, Form } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'

interface PauseDialogProps {
  readonly api: AdminApi
  readonly target: SwitchTarget
  readonly onClose: (isDone: boolean) => void
}

export function PauseDialog({ api, target, onClose }: PauseDialogProps) {
  const [reason, setReason] = useState('')
  const [stopRunning, setStopRunning] = useState(false)
  const task = useTask()
  return (
    <Dialog title={`Pause ${targetName(target)}?`} onClose={() => onClose(false)}>
      <p>
        {target === 'all'
          ? 'No answer is begun, in any conversation, until somebody resumes.'
          : 'It is not asked until somebody resumes. Others answer in its place, where there are any.'}
      </p>
      <Form
        task={task}
        fields={['reason']}
        submit="Pause"
        isDanger
        onCancel={() => onClose(false)}
        onSubmit={async () => {
          await api.switch({ target, paused: true, reason, stopRunning })
          onClose(true)
        }}
      >
        <Field
          label="Reason"
          name="reason"
          hint="People who are refused read it."
          value={reason}
          onChange={setReason}
          task={task}
          maxLength={MAX_REASON_CHARS}
          isRequired
          hasFocus
        />
        <label class="check">
          <input
            type="checkbox"
            checked={stopRunning}
            onChange={(event) => setStopRunning(event.currentTarget.checked)}
          />
          <span>End the answers that are being written, too</span>
        </label>
      </Form>
    </Dialog>
  )
}

export function targetName(target: SwitchTarget): string {
  return target === 'all' ? 'all turns' : target.slice(target.indexOf(':') + 1)
}
