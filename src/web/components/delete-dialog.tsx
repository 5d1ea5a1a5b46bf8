/**
 * Asks before a conversation is deleted, with the focus on the safe answer.
 * How a dialog behaves is `dialog.tsx`; deleting is the model's.
 */
import { UNTITLED } from './conversation-item.tsx'
import { Dialog } from './dialog.tsx'

interface DeleteDialogProps {
  readonly title: string
  readonly onCancel: () => void
  readonly onConfirm: () => void
}

export function DeleteDialog({ title, onCancel, onConfirm }: DeleteDialogProps) {
  return (
    <Dialog title="Delete this conversation?" onClose={onCancel}>
      <p>“{title || UNTITLED}” and everything in it will be gone for everyone. This cannot be undone.</p>
      <div class="dialog-actions">
        <button type="button" class="button" autofocus onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class="button danger" onClick={onConfirm}>
          Delete
        </button>
      </div>
    </Dialog>
  )
}
