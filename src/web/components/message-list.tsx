/**
 * The messages of a conversation in order, with what stands between them and their answers: turns that wait, and
 * messages on their way. Finished messages do not render again while another grows.
 */
import { Fragment } from 'preact'
import { useCallback, useRef, useState } from 'preact/hooks'
import type { ConversationConnection, ConversationState } from '../../client/index.ts'
import { ParleyError } from '../../client/index.ts'
import { textOf, type Message } from '../../protocol/message.ts'
import { errorText } from '../error-text.ts'
import { AnswerItem } from './answer-item.tsx'
import { PendingItem } from './pending-item.tsx'
import { QuestionItem } from './question-item.tsx'
import { useInView } from './use-in-view.ts'
import { WaitingTurn } from './waiting-turn.tsx'

interface MessageListProps {
  readonly room: ConversationConnection
  readonly state: ConversationState
  readonly isLinked: boolean
  readonly loadingOlder: boolean
  /** Null for who may only read, as below. */
  readonly onStop: ((turnId: string) => void) | null
  readonly onSend: ((text: string) => void) | null
  readonly onContinue: ((turnId: string) => void) | null
  readonly onUsage: () => void
}

export function MessageList(props: MessageListProps) {
  const { room, state, isLinked, loadingOlder, onStop, onSend, onContinue, onUsage } = props
  const [olderError, setOlderError] = useState<string | null>(null)
  const loadOlder = useCallback(() => {
    setOlderError(null)
    room.loadOlder().catch((error: unknown) => setOlderError(errorText(ParleyError.from(error))))
  }, [room])
  const top = useInView(loadOlder)

  const latest = useRef(state.messages)
  latest.current = state.messages
  /** A new message with the text of the one that the answer was to. */
  const askAgain = useCallback(
    (answer: Message) => {
      const question = latest.current.find((message) => message.id === answer.parentId)
      if (question) onSend?.(textOf(question))
    },
    [onSend],
  )

  if (state.phase === 'new' && state.pending.length === 0) return <MessagesSkeleton />
  const newest = state.messages.at(-1)
  return (
    <>
      {state.before !== null && (
        <div class="older" key={state.before} ref={olderError === null ? top : null}>
          {olderError !== null && (
            <p role="alert">
              {olderError}{' '}
              <button type="button" class="link-button" onClick={loadOlder}>
                Try again
              </button>
            </p>
          )}
          {loadingOlder && <span class="dots" role="status" aria-label="Reading older messages" />}
        </div>
      )}
      <ol class="messages">
        {state.messages.map((message) => {
          if (message.role === 'assistant') {
            const canAskAgain = onSend !== null && message === newest && state.pending.length === 0
            return (
              <AnswerItem
                key={message.id}
                message={message}
                onAskAgain={canAskAgain && questionOf(state, message) ? askAgain : null}
                onContinue={canContinue(state, message) ? onContinue : null}
              />
            )
          }
          const waiting = state.turns.find((turn) => turn.askedBy === message.id && turn.state === 'queued')
          return (
            <Fragment key={message.id}>
              <QuestionItem message={message} isOwn={message.authorId === state.you?.userId} />
              {waiting && <WaitingTurn turn={waiting} onStop={onStop} />}
            </Fragment>
          )
        })}
        {state.pending.map((sent) => (
          <PendingItem key={sent.id} sent={sent} isLinked={isLinked} room={room} onUsage={onUsage} />
        ))}
      </ol>
    </>
  )
}

const questionOf = (state: ConversationState, answer: Message) =>
  state.messages.find((message) => message.id === answer.parentId)

/** Whoever asked may have it go on, unless it waits to do so. */
const canContinue = (state: ConversationState, answer: Message) =>
  answer.error?.continuable === true &&
  questionOf(state, answer)?.authorId === state.you?.userId &&
  !state.turns.some((turn) => turn.turnId === answer.turnId)

function MessagesSkeleton() {
  return (
    <div class="messages-skeleton" role="status" aria-label="Reading the conversation">
      <span />
      <span />
      <span />
      <span />
    </div>
  )
}
