/**
 * Saying that an incident is over, and why, if there is something to say. When the same may be reported again is the
 * server's to decide.
 */
import { useState } from 'preact/hooks'
import type { IncidentsApi } from '../../client/api-incidents.ts'
import { Dialog } from '../components/dialog.tsx'
import { Form } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'
import { NoteField } from './note-form.tsx'

interface ResolveDialogProps {
  readonly api: IncidentsApi
  readonly id: string
  readonly onClose: (isDone: boolean) => void
}

export function ResolveDialog({ api, id, onClose }: ResolveDialogProps) {
  const [note, setNote] = useState('')
  const task = useTask()
  return (
    <Dialog title="Resolve this incident?" onClose={() => onClose(false)}>
      <p>
        It is over then. Should the same be measured again, it is quiet for a while before it is reported.
      </p>
      <Form
        task={task}
        submit="Resolve"
        onCancel={() => onClose(false)}
        onSubmit={async () => {
          await api.resolve(id, note.trim() === '' ? undefined : note)
          onClose(true)
        }}
      >
        <NoteField label="What was it? (optional)" value={note} onChange={setNote} hasFocus />
      </Form>
    </Dialog>
  )
}
