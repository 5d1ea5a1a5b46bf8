/**
 * The place of an answer that has not begun: about to, or waiting behind others, and then with its place in the line
 * and, where the model is what it waits for, a time.
 * Once it begins it is a message, and `answer-item.tsx` shows it.
 */
import { useEffect, useState } from 'preact/hooks'
import type { OpenTurn } from '../../protocol/server-frames.ts'
import { isNews, waitingText } from '../waiting-text.ts'

interface WaitingTurnProps {
  readonly turn: OpenTurn
  /** Null for who may only read. */
  readonly onStop: ((turnId: string) => void) | null
}

export function WaitingTurn({ turn, onStop }: WaitingTurnProps) {
  const { position, turnId } = turn
  // Empty at first: what a live region holds when it appears is not read.
  const [said, say] = useState<OpenTurn | null>(null)
  useEffect(() => {
    if (position > 0 && (!said || isNews(said, turn))) say(turn)
  }, [turn])
  return (
    <li class="message waiting">
      <p class="thinking">
        <span class="dots" aria-hidden="true" />
        <span>{position > 0 ? waitingText(turn) : 'Thinking'}</span>
        {position > 0 && onStop && (
          <button type="button" class="link-button" onClick={() => onStop(turnId)}>
            Cancel
          </button>
        )}
      </p>
      <p class="visually-hidden" role="status">
        {position > 0 && said && waitingText(said)}
      </p>
    </li>
  )
}
