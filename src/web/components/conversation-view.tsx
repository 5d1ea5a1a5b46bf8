/**
 * One conversation: who is here, how the link stands, the messages, and the field to write in.
 * It alone follows the stream, once per frame; what it hands down changes only where something did.
 */
import { useCallback, useEffect } from 'preact/hooks'
import { runningTurn, type ConversationConnection } from '../../client/index.ts'
import type { AppModel } from '../app-model.ts'
import { errorText } from '../error-text.ts'
import { may } from '../may.ts'
import { useStoreByFrame } from '../store.ts'
import { useStickyScroll } from '../use-sticky-scroll.ts'
import { Announcer } from './announcer.tsx'
import { Composer } from './composer.tsx'
import { ConversationHeader } from './conversation-header.tsx'
import { GoneConversation } from './gone-conversation.tsx'
import { ArrowDownIcon, EyeIcon } from './icons.tsx'
import { LinkBanner } from './link-banner.tsx'
import { MessageList } from './message-list.tsx'
import { Toast } from './toast.tsx'
import { TypingLine } from './typing-line.tsx'

interface ConversationViewProps {
  readonly model: AppModel
  readonly room: ConversationConnection
}

export function ConversationView({ model, room }: ConversationViewProps) {
  const { state, status, loadingOlder } = useStoreByFrame(room)
  const title = state.conversation?.title ?? model.list.find(room.id)?.title ?? ''
  const scroll = useStickyScroll(state.messages[0]?.id)
  const role = state.conversation?.role ?? model.list.find(room.id)?.role
  const canWrite = may('conversation:write', role)
  const running = runningTurn(state)
  const { toEnd } = scroll

  useEffect(() => {
    document.title = title ? `${title} · Parley` : 'Parley'
  }, [title])

  const send = useCallback(
    (text: string) => {
      room.send(text)
      toEnd()
    },
    [room, toEnd],
  )
  const stop = useCallback(
    (turnId: string) => void room.stop(turnId).catch((error: unknown) => model.fail(error)),
    [room, model],
  )
  const goOn = useCallback(
    (turnId: string) => void room.continueTurn(turnId).catch((error: unknown) => model.fail(error)),
    [room, model],
  )

  const showUsage = useCallback(() => model.open({ kind: 'usage' }), [model])

  const isGone = status.state === 'closed' && status.reason !== 'left'
  if (isGone) return <GoneConversation model={model} reason={status.reason} />
  return (
    <section
      class="conversation"
      data-room={room.id}
      aria-label={title || 'Conversation'}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.isComposing && running && canWrite) stop(running.turnId)
      }}
    >
      <ConversationHeader
        model={model}
        title={title}
        id={room.id}
        role={role}
        viewers={state.viewers}
        you={state.you?.userId}
      />
      <LinkBanner status={status} onRetry={() => room.retryNow()} />
      <div class="scroller" data-scrolls ref={scroll.box} tabIndex={0} role="region" aria-label="Messages">
        <div class="column" ref={scroll.content}>
          <MessageList
            room={room}
            state={state}
            isLinked={status.state === 'open'}
            loadingOlder={loadingOlder}
            onStop={canWrite ? stop : null}
            onSend={canWrite ? send : null}
            onContinue={canWrite ? goOn : null}
            onUsage={showUsage}
          />
        </div>
      </div>
      <div class="dock">
        {scroll.isAway && (
          <button type="button" class="jump" onClick={toEnd}>
            <ArrowDownIcon size={16} /> Jump to latest
          </button>
        )}
        {state.notice && <Toast text={errorText(state.notice)} onClose={() => room.dismissNotice()} />}
        <TypingLine typing={state.typing} />
        {canWrite ? (
          <Composer
            draftKey={room.id}
            runningTurnId={running?.turnId ?? null}
            onSend={send}
            onStop={stop}
            onTyping={(active) => room.typing(active)}
          />
        ) : (
          <p class="read-only" id="composer" tabIndex={-1}>
            <EyeIcon /> You may read along. The owner decides who may write.
          </p>
        )}
      </div>
      <Announcer messages={state.messages} isSending={state.pending.length > 0} />
    </section>
  )
}
