/**
 * What a client holds of a conversation, by the rules of src/protocol/README.md and nothing else: the second reading of
 * that page, written for tests without a look at the product's client, so that the two check each other.
 *
 * Every breach of a rule by the server is kept in `breaches`; tests expect none. Connecting is test-client.ts's.
 */
import type { JoinConversation } from '../../src/protocol/client-frames.ts'
import { textOf, type Message, type MessageStatus, type Viewer } from '../../src/protocol/message.ts'
import type { FrameOf, OpenTurn, ServerFrame, TurnEnded } from '../../src/protocol/server-frames.ts'

export interface HeldMessage {
  readonly id: string
  readonly role: Message['role']
  readonly clientId: string | undefined
  status: MessageStatus
  text: string
}

export class RoomView {
  seq = 0
  readonly messages = new Map<string, HeldMessage>()
  turns: readonly OpenTurn[] = []
  viewers: readonly Viewer[] = []
  deleted = false
  readonly breaches: string[] = []
  #joined = false

  /** What to say in order to get what is missing (rules R2–R4). */
  joinFrame(): JoinConversation {
    if (!this.#joined) return { type: 'join_conversation' }
    const unfinished = [...this.messages.values()].findLast((message) => message.status === 'streaming')
    const have = unfinished && { messageId: unfinished.id, offset: unfinished.text.length }
    return { type: 'join_conversation', after: this.seq, ...(have && { have }) }
  }

  text(messageId: string): string {
    return this.messages.get(messageId)?.text ?? ''
  }

  /** Ids, states and texts, in order: what two clients of one conversation must agree on. */
  get transcript(): string[] {
    return [...this.messages.values()]
      .toSorted((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)))
      .map(({ id, role, status, text }) => `${id} ${role} ${status}: ${text}`)
  }

  apply(frame: ServerFrame): void {
    if ('seq' in frame && frame.type !== 'conversation_joined') {
      if (frame.seq !== this.seq + 1) this.#breach(`O1: ${frame.type} has seq ${frame.seq} after ${this.seq}`)
      this.seq = frame.seq
    }
    switch (frame.type) {
      case 'conversation_joined':
        return this.#join(frame)
      case 'message_created':
        return this.#created(frame.message)
      case 'stream_start':
        return this.#started(frame)
      case 'stream_chunk':
        return this.#chunk(frame)
      case 'stream_complete':
        return this.#ended(frame, 'completed')
      case 'stream_stopped':
        return this.#ended(frame, 'stopped')
      case 'stream_failed':
        return this.#ended(frame, 'failed')
      case 'stream_interrupted':
        return this.#ended(frame, 'interrupted')
      case 'presence':
        this.viewers = frame.viewers
        return
      case 'turn_queued':
        return this.#open(frame)
      case 'conversation_deleted':
        this.deleted = true
        return
      case 'message_accepted':
      case 'conversation_updated':
      case 'members_updated':
      case 'auth_required':
      case 'authenticated':
      case 'typing':
      case 'error':
    }
  }

  #join(frame: FrameOf<'conversation_joined'>): void {
    this.turns = frame.turns
    this.viewers = frame.viewers
    if (frame.reset) {
      this.messages.clear()
      for (const message of frame.messages ?? []) this.messages.set(message.id, held(message))
      this.seq = frame.seq
    } else if (!this.#joined) this.#breach('R2: a client that holds nothing was not given a page')
    else if (frame.seq < this.seq) this.#breach(`O1: the log ends at ${frame.seq}, ${this.seq} was shown`)
    this.#joined = true
  }

  #created(message: Message): void {
    if (this.messages.has(message.id)) this.#breach(`R3: ${message.id} was created twice`)
    this.messages.set(message.id, held(message))
  }

  #started(frame: FrameOf<'stream_start'>): void {
    const known = this.messages.get(frame.messageId)
    const message = known ?? {
      id: frame.messageId,
      role: 'assistant' as const,
      clientId: undefined,
      status: 'streaming' as const,
      text: '',
    }
    // What failed or was interrupted may go on (T5); what has come to its end may not.
    if (known?.status === 'completed' || known?.status === 'stopped')
      this.#breach(`O3: ${message.id} started after its end`)
    message.status = 'streaming'
    if (message.text.length < frame.offset)
      this.#breach(`O5: ${message.id} starts at ${frame.offset}, ${message.text.length} known`)
    message.text = message.text.slice(0, frame.offset)
    this.messages.set(message.id, message)
    const { turnId, messageId, parentId: askedBy } = frame
    this.#open({ turnId, askedBy, messageId, state: 'streaming', position: 0, priority: 'normal' })
  }

  #open(turn: OpenTurn): void {
    this.turns = [...this.turns.filter(({ turnId }) => turnId !== turn.turnId), turn]
  }

  #chunk({ messageId, offset, delta }: FrameOf<'stream_chunk'>): void {
    const message = this.messages.get(messageId)
    if (!message) return this.#breach(`O3: a chunk of ${messageId} before its start`)
    if (message.status !== 'streaming') return this.#breach(`O3: a chunk of ${messageId} after its end`)
    if (message.text.length < offset) {
      return this.#breach(`O4: a chunk of ${messageId} at ${offset}, ${message.text.length} known`)
    }
    message.text = message.text.slice(0, offset) + delta
    if (!message.text.isWellFormed()) this.#breach(`W5: half a surrogate pair in ${messageId} at ${offset}`)
  }

  #ended(frame: TurnEnded, status: MessageStatus): void {
    this.turns = this.turns.filter((turn) => turn.turnId !== frame.turnId)
    const message = this.messages.get(frame.messageId) ?? {
      id: frame.messageId,
      role: 'assistant' as const,
      clientId: undefined,
      status,
      text: '',
    }
    if (message.text.length < frame.length) {
      this.#breach(`O6: ${message.id} ended at ${frame.length}, ${message.text.length} known`)
    }
    message.text = message.text.slice(0, frame.length)
    message.status = status
    this.messages.set(message.id, message)
  }

  #breach(what: string): void {
    this.breaches.push(what)
  }
}

function held(message: Message): HeldMessage {
  const { id, role, status, clientId } = message
  return { id, role, status, clientId, text: textOf(message) }
}
