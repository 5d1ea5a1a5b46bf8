/**
 * One conversation: who may, what is written, what runs, who is told. The commands of every transport end here.
 *
 * Expected failures are thrown as `AppError`. Knows readers and rows, neither sockets nor the platform; the Durable
 * Object in `conversation-object.ts` carries bytes to it and lends it storage, time and an alarm.
 */
import { AppError } from '../errors.ts'
import type { Model } from '../models/model.ts'
import type { JoinConversation } from '../protocol/client-frames.ts'
import type { Conversation as ConversationShape, Message } from '../protocol/message.ts'
import type { MessagePage, StopAnswer } from '../protocol/http.ts'
import type { Principal } from '../protocol/principal.ts'
import type { FrameOf, ServerFrame } from '../protocol/server-frames.ts'
import { FIRST_PAGE, messagePage, missedEvents, replay, rowsOf } from './catch-up.ts'
import { resolveChoices, type ChatInput } from './chat-input.ts'
import type { Database } from './database.ts'
import { composeFrame, messageIdOf, numberOf, toConversation, toMessage, turnIdOf } from './events.ts'
import type { TurnRow } from './events.ts'
import { History } from './history.ts'
import { LogReader } from './log-reader.ts'
import { Outbox } from './outbox.ts'
import { Room, type Reader } from './room.ts'
import { hasEnded } from './turn-state.ts'
import { TurnRunner } from './turn-runner.ts'

/** What D1 is told of a conversation; an older `seq` than it knows is to be ignored. */
export interface DirectoryEntry {
  readonly seq: number
  readonly conversation: ConversationShape
}

/** Where conversations are listed: D1, behind a port. */
export interface Directory {
  put(entry: DirectoryEntry): Promise<void>
  remove(conversationId: string): Promise<void>
}

export interface ConversationDeps {
  readonly model: Model
  readonly settings: {
    readonly systemPrompt: string
    readonly contextTokens: number
    readonly maxQueuedTurns: number
    readonly watchdogMs: number
    /** Models that a caller may name. */
    readonly models: readonly string[]
  }
  now(): number
  after(ms: number, run: () => void): () => void
  /** Sees to it that `alarm` is called at about that time (ms since the epoch), whatever happens to the process. */
  wakeAt(time: number): void
  readonly directory: Directory
  /** Removes all rows, for good. */
  erase(): Promise<void>
  report(event: string, error: unknown, details: Record<string, unknown>): void
}

export type Accepted = Omit<FrameOf<'message_accepted'>, 'type' | 'id'>

export class Conversation {
  readonly #deps: ConversationDeps
  readonly #history: History
  readonly #log: LogReader
  readonly #runner: TurnRunner
  readonly #outbox: Outbox<DirectoryEntry>
  readonly #room = new Room()
  readonly #waiters = new Map<number, (() => void)[]>()

  constructor(db: Database, history: History, deps: ConversationDeps) {
    this.#deps = deps
    this.#history = history
    this.#log = new LogReader(db)
    const reportTurn = (event: string, error: unknown, turn: TurnRow): void =>
      deps.report(event, error, { conversationId: history.conversation.id, turnId: turnIdOf(turn.number) })
    this.#runner = new TurnRunner({
      history,
      log: this.#log,
      model: deps.model,
      systemPrompt: deps.settings.systemPrompt,
      contextTokens: deps.settings.contextTokens,
      now: () => deps.now(),
      after: (ms, run) => deps.after(ms, run),
      show: (frame) => this.#room.broadcast(frame),
      watch: () => deps.wakeAt(deps.now() + deps.settings.watchdogMs),
      ended: (turn) => this.#turnEnded(turn),
      report: reportTurn,
    })
    this.#outbox = new Outbox({
      pending: () => this.#pending(),
      deliver: (entry) => deps.directory.put(entry),
      settle: (upTo) => history.settle(upTo),
      report: (error) => deps.report('outbox_failed', error, { conversationId: history.conversation.id }),
    })
  }

  static load(db: Database, deps: ConversationDeps): Conversation | null {
    const history = History.load(db, () => deps.now())
    return history && new Conversation(db, history, deps)
  }

  static create(
    db: Database,
    deps: ConversationDeps,
    input: { id: string; ownerId: string; title: string },
  ): Conversation {
    return new Conversation(
      db,
      History.create(db, () => deps.now(), input),
      deps,
    )
  }

  get deleted(): boolean {
    return this.#history.conversation.deletedAt !== null
  }

  /** @throws AppError `not_found`, the same for a stranger as for nothing (rule E3) */
  authorize(principal: Principal): void {
    if (this.deleted || principal.userId !== this.#history.conversation.ownerId) throw notFound()
  }

  describe(): ConversationShape {
    return toConversation(this.#history.conversation, this.#history.activity)
  }

  page(before: string | undefined, limit: number): MessagePage {
    return messagePage(this.#log, this.#runner.live(), before === undefined ? null : numberOf(before), limit)
  }

  /** Accepts a message, or finds the turn that it started before. Durable when this returns. */
  chat(author: Principal, input: ChatInput, sender?: Reader): Accepted {
    const known = this.#history.findByClientId(author, input.id, input.content)
    if (known) return this.#acknowledge(known, input.id, true, sender)
    const choices = resolveChoices(input, {
      model: this.#deps.model.defaultModel,
      models: this.#deps.settings.models,
      tip: this.#history.tip,
      exists: (number) =>
        this.#history.openTurn(number) !== undefined || this.#log.message(number) !== undefined,
    })
    const startNow = this.#runner.idle
    const waiting = this.#runner.openTurns().filter((turn) => turn.state === 'queued').length
    if (!startNow && waiting >= this.#deps.settings.maxQueuedTurns) {
      throw new AppError(
        'queue_full',
        `${waiting} messages are waiting here; try again when one is answered.`,
      )
    }
    const { turn, events, message } = this.#history.accept(
      {
        author,
        clientId: input.id,
        content: input.content,
        requestId: input.requestId,
        ...choices,
      },
      startNow,
    )
    const accepted = this.#acknowledge(turn, input.id, false, sender)
    const rows = { ...rowsOf(this.#history, this.#log), message: () => message }
    for (const event of events) this.#room.broadcast(composeFrame(event, rows))
    if (startNow) this.#runner.launch(turn)
    else this.#runner.showQueue()
    return accepted
  }

  /** @throws AppError `not_found` when no such turn was ever here */
  stop(turnId: string): StopAnswer {
    const number = numberOf(turnId)
    const stopped = this.#runner.stop(number)
    const turn = this.#log.turn(number)
    if (!turn || !hasEnded(turn.state))
      throw new AppError('not_found', 'There is no such turn.', { field: 'turnId' })
    return { turnId, state: turn.state, stopped }
  }

  /** The message that a turn writes, once it has ended. */
  async answer(turnId: string): Promise<Message> {
    const number = numberOf(turnId)
    if (this.#history.openTurn(number)) {
      await new Promise<void>((resolve) => {
        this.#waiters.set(number, [...(this.#waiters.get(number) ?? []), resolve])
      })
    }
    const row = this.deleted ? undefined : this.#log.message(number)
    if (!row) throw notFound()
    return toMessage(row)
  }

  async rename(title: string): Promise<ConversationShape> {
    const event = this.#history.rename(title)
    this.#room.broadcast(composeFrame(event, rowsOf(this.#history, this.#log)))
    this.#deps.wakeAt(this.#deps.now() + this.#deps.settings.watchdogMs)
    await this.settle()
    return this.describe()
  }

  async remove(): Promise<void> {
    this.#history.markDeleted()
    this.#runner.abandon()
    this.#room.broadcast({ type: 'conversation_deleted', conversationId: this.#history.conversation.id })
    this.#room.closeAll(4410, 'conversation deleted')
    for (const resolve of [...this.#waiters.values()].flat()) resolve()
    this.#waiters.clear()
    await this.settleRemoval()
  }

  /** Tells D1 and erases. @returns false when D1 could not be told; an alarm tries again */
  async settleRemoval(): Promise<boolean> {
    this.#deps.wakeAt(this.#deps.now() + this.#deps.settings.watchdogMs)
    // An entry under way must not arrive after the removal.
    await this.#outbox.drain()
    try {
      await this.#deps.directory.remove(this.#history.conversation.id)
    } catch (error) {
      this.#deps.report('removal_failed', error, { conversationId: this.#history.conversation.id })
      return false
    }
    await this.#deps.erase()
    return true
  }

  /** Catches the reader up and lets it read along, in one block (rules R2–R8). */
  join(reader: Reader, frame: JoinConversation): void {
    const live = this.#runner.live()
    const missed = missedEvents(this.#history, this.#log, frame.after)
    const isNew = !this.#room.has(reader)
    this.#room.add(reader)
    const { userId, name } = reader.principal
    this.#room.sendTo(reader, {
      type: 'conversation_joined',
      seq: this.#history.seq,
      reset: missed === null,
      conversation: this.describe(),
      ...(missed === null && messagePage(this.#log, live, null, FIRST_PAGE)),
      turns: this.#runner.openTurns(),
      viewers: this.#room.viewers(),
      you: { userId, name },
    })
    if (missed) {
      const frames = replay(missed, frame.have, live, rowsOf(this.#history, this.#log))
      for (const each of frames) this.#room.sendTo(reader, each)
    }
    if (isNew) this.#showPresence(reader)
  }

  /** A socket that survived while the process slept reads on without being caught up. */
  restore(reader: Reader): void {
    this.#room.add(reader)
  }

  leave(reader: Reader): void {
    this.#room.remove(reader)
    if (reader.present) this.#showPresence()
  }

  isJoined(reader: Reader): boolean {
    return this.#room.has(reader)
  }

  typing(reader: Reader, active: boolean): void {
    const { userId, name } = reader.principal
    this.#room.broadcast({ type: 'typing', userId, name, active }, reader)
  }

  sendTo(reader: Reader, frame: ServerFrame): void {
    this.#room.sendTo(reader, frame)
  }

  /**
   * The turn that a message belongs to: the one that wrote it, or that answers it.
   *
   * @throws AppError `not_found`
   */
  turnOf(messageId: string): { turnId: string; messageId: string } {
    const number = numberOf(messageId)
    const turn = this.#anyTurn(number) ?? this.#anyTurn(this.#log.message(number)?.turn ?? 0)
    if (!turn) throw new AppError('not_found', 'There is no such message.', { field: 'messageId' })
    return { turnId: turnIdOf(turn.number), messageId: messageIdOf(turn.number) }
  }

  /**
   * Lets a reader follow one turn, from after `after` and from the text that it has (rule S3).
   *
   * @returns false when the turn has ended: all of it was sent
   */
  follow(reader: Reader, turnId: string, after: number, have: number | undefined): boolean {
    const turn = this.#anyTurn(numberOf(turnId))
    if (!turn) throw notFound()
    const current = this.#runner.live()
    const live = current?.turn.number === turn.number ? current : null
    const held = have === undefined ? undefined : { messageId: messageIdOf(turn.number), offset: have }
    const events = this.#log.eventsOfTurn(turn, after)
    for (const frame of replay(events, held, live, rowsOf(this.#history, this.#log))) {
      this.#room.sendTo(reader, frame)
    }
    if (hasEnded(turn.state)) return false
    this.#room.add(reader)
    const waiting = this.#runner.openTurns().find((open) => open.state === 'queued' && open.turnId === turnId)
    if (waiting) this.#room.sendTo(reader, { type: 'turn_queued', ...waiting })
    return true
  }

  /** Called on every wake, and by the alarm: takes up what an earlier process left. */
  recover(): void {
    if (this.deleted) return
    this.#runner.recover()
    if (this.#runner.idle) this.#drain()
  }

  /** The watchdog: turns that run are left alone, lost ones are taken up, and D1 is told what it missed. */
  async alarm(): Promise<void> {
    if (this.deleted) return void (await this.settleRemoval())
    this.#runner.recover()
    if (this.#runner.running) this.#deps.wakeAt(this.#deps.now() + this.#deps.settings.watchdogMs)
    else await this.settle()
  }

  #turnEnded(turn: TurnRow): void {
    for (const resolve of this.#waiters.get(turn.number) ?? []) resolve()
    this.#waiters.delete(turn.number)
    this.#drain()
  }

  #drain(): void {
    this.settle().catch((error: unknown) => this.#deps.report('outbox_failed', error, {}))
  }

  /** Tells D1 what it does not know yet. @returns false when that failed; an alarm tries again */
  async settle(): Promise<boolean> {
    const told = await this.#outbox.drain()
    const retryInMs = this.#outbox.retryInMs
    if (!told && retryInMs !== null) this.#deps.wakeAt(this.#deps.now() + retryInMs)
    return told
  }

  #pending(): { entry: DirectoryEntry; upTo: number } | null {
    const { seq, delivered } = this.#history
    if (this.deleted || delivered >= seq) return null
    return { entry: { seq, conversation: this.describe() }, upTo: seq }
  }

  #acknowledge(turn: TurnRow, id: string, duplicate: boolean, sender: Reader | undefined): Accepted {
    const accepted: Accepted = {
      messageId: messageIdOf(turn.askedBy),
      turnId: turnIdOf(turn.number),
      answerId: messageIdOf(turn.number),
      duplicate,
    }
    if (sender) this.#room.sendTo(sender, { type: 'message_accepted', id, ...accepted })
    return accepted
  }

  #anyTurn(number: number): TurnRow | undefined {
    return this.#history.openTurn(number) ?? this.#log.turn(number)
  }

  #showPresence(except?: Reader): void {
    this.#room.broadcast({ type: 'presence', viewers: this.#room.viewers() }, except)
  }
}

export function notFound(): AppError {
  return new AppError('not_found', 'There is no such conversation.')
}
