/**
 * One sentence about what just went wrong, until it is closed: it does not vanish by itself, because nobody can be
 * told to read fast. Which sentence it is, `error-text.ts` decides.
 */
import { AlertIcon, CloseIcon } from './icons.tsx'

export function Toast({ text, onClose }: { readonly text: string; readonly onClose: () => void }) {
  return (
    <div class="toast" role="alert">
      <AlertIcon />
      <p>{text}</p>
      <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
        <CloseIcon />
      </button>
    </div>
  )
}
