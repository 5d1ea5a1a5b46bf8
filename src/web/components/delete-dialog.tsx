/**
 * Asks before a conversation is deleted. A native dialog: it holds the focus, Escape cancels, and the rest is inert.
 * The safe answer has the focus, and the focus goes back to where it came from.
 */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { UNTITLED } from './conversation-item.tsx'

interface DeleteDialogProps {
  readonly title: string
  readonly onCancel: () => void
  readonly onConfirm: () => void
}

export function DeleteDialog({ title, onCancel, onConfirm }: DeleteDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)

  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    // Closing, unlike removing, gives the focus back.
    return () => element?.close()
  }, [])

  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="delete-title"
      aria-describedby="delete-text"
      onCancel={(event) => {
        event.preventDefault()
        onCancel()
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onCancel()
      }}
    >
      <div class="dialog-body">
        <h2 id="delete-title">Delete this conversation?</h2>
        <p id="delete-text">
          “{title || UNTITLED}” and everything in it will be gone for everyone. This cannot be undone.
        </p>
        <div class="dialog-actions">
          <button type="button" class="button" autofocus onClick={onCancel}>
            Cancel
          </button>
          <button type="button" class="button danger" onClick={onConfirm}>
            Delete
          </button>
        </div>
      </div>
    </dialog>
  )
}
