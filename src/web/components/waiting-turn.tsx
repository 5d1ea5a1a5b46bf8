/**
 * The place of an answer that has not begun: about to, or waiting behind others, and then with its place in the line.
 * Once it begins it is a message, and `answer-item.tsx` shows it.
 */
import type { OpenTurn } from '../../protocol/server-frames.ts'

interface WaitingTurnProps {
  readonly turn: OpenTurn
  /** Null for who may only read. */
  readonly onStop: ((turnId: string) => void) | null
}

export function WaitingTurn({ turn, onStop }: WaitingTurnProps) {
  const { position, turnId } = turn
  return (
    <li class="message waiting">
      <p class="thinking">
        <span class="dots" aria-hidden="true" />
        <span>{position > 0 ? `Waiting: ${place(position)}` : 'Thinking'}</span>
        {position > 0 && onStop && (
          <button type="button" class="link-button" onClick={() => onStop(turnId)}>
            Cancel
          </button>
        )}
      </p>
    </li>
  )
}

const place = (position: number) => (position === 1 ? 'next in line' : `number ${position} in line`)
