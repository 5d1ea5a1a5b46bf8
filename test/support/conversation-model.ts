/**
 * The server's half of the protocol, in memory and as short as the rules allow: a log of one conversation, written by
 * the test, and what a join is answered. It is a reference to hold the client library against, not the server.
 */
import type { JoinConversation } from '../../src/protocol/client-frames.ts'
import type { Message, MessageStatus } from '../../src/protocol/message.ts'
import type { FrameOf, OpenTurn, ServerFrame } from '../../src/protocol/server-frames.ts'

export const AT = '2026-11-20T10:00:00.000Z'
export const YOU = { userId: 'u-you', name: 'You' }
export const CONVERSATION_ID = '11111111-2222-4333-8444-555555555555'

export type LogEvent = Exclude<Extract<ServerFrame, { seq: number }>, FrameOf<'conversation_joined'>>
type EndedStatus = Exclude<MessageStatus, 'streaming'>

export class ConversationModel {
  readonly log: LogEvent[] = []
  readonly messages = new Map<string, Message>()
  /** Called with each live frame. */
  show: (frame: ServerFrame) => void = () => {}
  maxReplay = 256
  #next = 1
  #attempt = 0
  /** How much text the attempt that runs began with: the end before it stored that much for good. */
  #from = 0
  #running: OpenTurn | null = null
  #queued: OpenTurn[] = []

  get running(): OpenTurn | null {
    return this.#running
  }

  get turns(): OpenTurn[] {
    return [...(this.#running ? [this.#running] : []), ...this.#queued]
  }

  textOf(messageId: string): string {
    return (
      this.messages
        .get(messageId)
        ?.parts.map((part) => part.text)
        .join('') ?? ''
    )
  }

  say(content: string, clientId = `c${this.#next}`, author = YOU): Message {
    const number = this.#next
    this.#next += 2
    const message: Message = {
      id: `m${number}`,
      parentId: null,
      turnId: `t${number + 1}`,
      clientId,
      role: 'user',
      authorId: author.userId,
      authorName: author.name,
      status: 'completed',
      parts: [{ type: 'text', text: content }],
      createdAt: AT,
    }
    const turn = { turnId: message.turnId, askedBy: message.id, messageId: `m${number + 1}` }
    this.messages.set(message.id, message)
    this.#queued.push({ ...turn, state: 'queued', position: this.#queued.length + 1, priority: 'normal' })
    this.#tell({ type: 'message_created', seq: this.#seq(), message })
    return message
  }

  /** Starts the next turn; does nothing while one runs or none waits. */
  start(): void {
    const turn = this.#queued[0]
    if (this.#running || !turn) return
    this.#queued = this.#queued.slice(1)
    this.#attempt = 0
    this.#run(turn)
  }

  /** Has the last answer that failed or was interrupted go on, after the text that it has. */
  goOn(): void {
    const message = [...this.messages.values()].findLast(
      ({ status }) => status === 'failed' || status === 'interrupted',
    )
    if (this.#running || !message || message.parentId === null) return
    const { turnId, id: messageId, parentId: askedBy } = message
    this.#attempt = 1
    this.#run({ turnId, askedBy, messageId, state: 'queued', position: 1, priority: 'normal' })
  }

  delta(text: string): void {
    if (!this.#running || text === '') return
    const { messageId } = this.#running
    const held = this.textOf(messageId)
    this.#write(messageId, held + text)
    this.show({ type: 'stream_chunk', messageId, offset: held.length, delta: text })
  }

  end(status: EndedStatus): void {
    if (!this.#running) return
    const { turnId, messageId, askedBy: parentId } = this.#running
    this.#running = null
    const message = this.messages.get(messageId)
    if (!message) throw new Error('a running turn has a message')
    const error = { code: 'interrupted', detail: 'The server restarted.', retryable: true }
    const failed = status === 'failed' || status === 'interrupted'
    this.messages.set(messageId, { ...message, status, ...(failed && { error }) })
    const length = this.textOf(messageId).length
    const common = { seq: this.#seq(), turnId, messageId, parentId, length, at: AT }
    if (status === 'completed')
      this.#tell({ type: 'stream_complete', ...common, finishReason: 'stop', model: 'test' })
    else if (status === 'stopped') this.#tell({ type: 'stream_stopped', ...common })
    else if (status === 'failed') this.#tell({ type: 'stream_failed', ...common, error })
    else this.#tell({ type: 'stream_interrupted', ...common, error })
  }

  /** The process dies: only `kept` characters of the running text were stored, or what the attempt began with. Nobody is told; links are gone. */
  crash(kept: number): void {
    if (!this.#running) return
    const { messageId } = this.#running
    this.#write(messageId, this.textOf(messageId).slice(0, Math.max(kept, this.#from)))
  }

  /** Rule T4: runs once more when nothing was stored, is interrupted otherwise. */
  recover(): void {
    if (!this.#running) return
    if (this.textOf(this.#running.messageId) === '' && this.#attempt < 2) this.#run(this.#running)
    else this.end('interrupted')
  }

  /** What a join is answered (rules R2–R6); live frames follow. */
  join(frame: JoinConversation): ServerFrame[] {
    const seq = this.log.length
    const common = {
      type: 'conversation_joined' as const,
      seq,
      conversation: {
        id: CONVERSATION_ID,
        title: 'Test',
        ownerId: YOU.userId,
        createdAt: AT,
        lastActivityAt: AT,
        messageCount: this.messages.size,
      },
      turns: this.turns,
      viewers: [{ ...YOU, connections: 1 }],
      you: YOU,
    }
    const { after, have } = frame
    if (after === undefined || after > seq || seq - after > this.maxReplay) {
      const number = (message: Message) => Number(message.id.slice(1))
      const messages = [...this.messages.values()].toSorted((a, b) => number(a) - number(b))
      return [{ ...common, reset: true, messages, before: null }]
    }

    const frames: ServerFrame[] = [{ ...common, reset: false }]
    const held = new Map(have ? [[have.messageId, have.offset]] : [])
    const complete = (messageId: string) => {
      const text = this.textOf(messageId)
      const offset = Math.min(held.get(messageId) ?? 0, text.length)
      if (held.get(messageId) === text.length) return
      frames.push({ type: 'stream_chunk', messageId, offset, delta: text.slice(offset) })
      held.set(messageId, text.length)
    }
    for (const event of this.log.slice(after)) {
      if (event.type === 'stream_start') held.set(event.messageId, event.offset)
      else if ('length' in event) complete(event.messageId)
      frames.push(event)
    }
    if (this.#running && (held.has(this.#running.messageId) || after < seq)) complete(this.#running.messageId)
    return frames
  }

  #run(turn: OpenTurn): void {
    this.#running = { ...turn, state: 'streaming', position: 0 }
    this.#attempt++
    const { turnId, messageId, askedBy: parentId } = turn
    const text = this.textOf(messageId)
    this.#from = text.length
    this.messages.set(messageId, {
      id: messageId,
      parentId,
      turnId,
      role: 'assistant',
      authorId: null,
      authorName: null,
      status: 'streaming',
      parts: text === '' ? [] : [{ type: 'text', text }],
      createdAt: AT,
      agentId: 'default',
      model: 'test',
    })
    const about = { turnId, messageId, parentId, attempt: this.#attempt, offset: text.length }
    this.#tell({
      type: 'stream_start',
      seq: this.#seq(),
      ...about,
      agentId: 'default',
      model: 'test',
      at: AT,
    })
  }

  #write(messageId: string, text: string): void {
    const message = this.messages.get(messageId)
    if (!message) throw new Error(`${messageId} is unknown`)
    this.messages.set(messageId, { ...message, parts: text === '' ? [] : [{ type: 'text', text }] })
  }

  #seq(): number {
    return this.log.length + 1
  }

  #tell(event: LogEvent): void {
    this.log.push(event)
    this.show(event)
  }
}
