/**
 * Writing something down about an incident: it stands in the timeline, and in the post-mortem. The field alone is also what
 * is said when an incident is resolved.
 */
import { useState } from 'preact/hooks'
import type { IncidentsApi } from '../../client/api-incidents.ts'
import { MAX_NOTE_CHARS } from '../../protocol/incidents.ts'
import { Form } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'

interface NoteFormProps {
  readonly api: IncidentsApi
  readonly id: string
  readonly onAdded: () => void
}

export function NoteForm({ api, id, onAdded }: NoteFormProps) {
  const [text, setText] = useState('')
  const task = useTask()
  return (
    <Form
      task={task}
      submit="Add note"
      onSubmit={async () => {
        await api.addNote(id, text)
        setText('')
        onAdded()
      }}
    >
      <NoteField label="Note" value={text} onChange={setText} isRequired />
    </Form>
  )
}

interface NoteFieldProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly isRequired?: boolean
  readonly hasFocus?: boolean
}

export function NoteField({ label, value, onChange, isRequired = false, hasFocus = false }: NoteFieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <textarea
        rows={3}
        maxLength={MAX_NOTE_CHARS}
        required={isRequired}
        autofocus={hasFocus}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </label>
  )
}
