/**
 * Renames in place: Enter or leaving the field keeps the new title, Escape the old one.
 * An empty title, or the same one, changes nothing.
 */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { MAX_TITLE_CHARS } from '../../protocol/limits.ts'

interface TitleFieldProps {
  readonly title: string
  /** With the new title, or null when it stays as it was. */
  readonly onDone: (title: string | null) => void
}

export function TitleField({ title, onDone }: TitleFieldProps) {
  const field = useRef<HTMLInputElement>(null)
  const done = useRef(false)

  useLayoutEffect(() => field.current?.select(), [])

  const finish = (keep: boolean) => {
    if (done.current) return
    done.current = true
    const next = (field.current?.value ?? '').replace(/\s+/g, ' ').trim()
    onDone(keep && next !== '' && next !== title ? next : null)
  }
  return (
    <input
      ref={field}
      class="title-field"
      aria-label="Title of the conversation"
      defaultValue={title}
      maxLength={MAX_TITLE_CHARS}
      autocomplete="off"
      enterkeyhint="done"
      onBlur={() => finish(true)}
      onKeyDown={(event) => {
        if (event.isComposing) return
        if (event.key === 'Enter') finish(true)
        if (event.key !== 'Escape') return
        event.stopPropagation()
        finish(false)
      }}
    />
  )
}
