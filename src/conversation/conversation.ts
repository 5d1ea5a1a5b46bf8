/**
 * One conversation: who may, what is written, what runs. The commands of every transport end here.
 *
 * Expected failures are thrown as `AppError`. Knows readers and rows, neither sockets nor the platform; the Durable
 * Object in `conversation-object.ts` carries bytes to it and lends it storage, time and an alarm.
 */
import { AppError } from '../errors.ts'
import type { MessagePage, StopAnswer } from '../protocol/http.ts'
import type { Conversation as ConversationShape, Message } from '../protocol/message.ts'
import type { Principal } from '../protocol/principal.ts'
import type { FrameOf } from '../protocol/server-frames.ts'
import { Audience } from './audience.ts'
import { resolveChoices, type ChatInput, type ResolvedChoices } from './chat-input.ts'
import { ChunkStore } from './chunk-store.ts'
import type { Database } from './database.ts'
import type { ConversationDeps, DirectoryEntry } from './deps.ts'
import { messageIdOf, numberOf, toMessage, turnIdOf } from './events.ts'
import type { TurnRow } from './events.ts'
import { History } from './history.ts'
import { LogReader } from './log-reader.ts'
import { Outbox } from './outbox.ts'
import type { Reader } from './room.ts'
import { Statements } from './statements.ts'
import { hasEnded } from './turn-state.ts'
import { TurnRunner } from './turn-runner.ts'

/** How long the directory may lag behind a turn's end; the watchdog's alarm is there if the process dies before. */
const SETTLE_DELAY_MS = 200

export type Accepted = Omit<FrameOf<'message_accepted'>, 'type' | 'id'>

export class Conversation {
  readonly audience: Audience
  readonly #deps: ConversationDeps
  readonly #history: History
  readonly #log: LogReader
  readonly #runner: TurnRunner
  readonly #outbox: Outbox<DirectoryEntry>
  #cancelSettle: (() => void) | null = null
  /** When the alarm that this process set is due; 0 when none is, or none is known. */
  #alarmAt = 0
  /** Who waits for the end of which turn. */
  readonly #waiters = new Map<number, (() => void)[]>()

  private constructor(db: Database, statements: Statements, history: History, deps: ConversationDeps) {
    this.#deps = deps
    this.#history = history
    this.#log = new LogReader(db, statements)
    this.audience = new Audience(history, this.#log, () => this.#runner)
    this.#runner = new TurnRunner({
      history,
      log: this.#log,
      chunks: new ChunkStore(statements),
      model: deps.model,
      settings: deps.settings,
      now: () => deps.now(),
      after: (ms, run) => deps.after(ms, run),
      show: (frame) => this.audience.show(frame),
      watch: () => this.#watch(),
      ended: (turn) => this.#turnEnded(turn),
      failed: (turn, error) =>
        this.#warn('turn_failed', { turnId: turnIdOf(turn.number), model: turn.model, ...error }),
      report: (event, error, turn) => this.#report(event, error, { turnId: turnIdOf(turn.number) }),
    })
    this.#outbox = new Outbox({
      pending: () => this.#untold(),
      deliver: (entry) => deps.directory.put(entry),
      settle: (upTo) => history.settle(upTo),
      report: (error) => this.#report('outbox_failed', error),
    })
  }

  /** Why this cannot be the first message of a conversation; null when it can. */
  static refusalOfFirst(deps: ConversationDeps, input: ChatInput): AppError | null {
    const choices = resolveChoices(input, { ...offered(deps), tip: null, exists: () => false })
    return choices instanceof AppError ? choices : null
  }

  static load(db: Database, deps: ConversationDeps): Conversation | null {
    const statements = new Statements(db.$client)
    const history = History.load(db, statements, () => deps.now())
    return history && new Conversation(db, statements, history, deps)
  }

  static create(
    db: Database,
    deps: ConversationDeps,
    input: { id: string; ownerId: string; title: string },
  ): Conversation {
    const statements = new Statements(db.$client)
    return new Conversation(
      db,
      statements,
      History.create(db, statements, () => deps.now(), input),
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
    return this.audience.describe()
  }

  page(before: string | undefined, limit: number): MessagePage {
    return this.audience.page(before === undefined ? null : numberOf(before), limit)
  }

  /** Accepts a message, or finds the turn that it started before. Durable before anyone hears of it. */
  chat(author: Principal, input: ChatInput, sender?: Reader): Accepted {
    const startNow = this.#runner.idle
    const choices = this.#choicesOf(input, startNow)
    const { id: clientId, content, requestId } = input
    const written =
      choices instanceof AppError
        ? null
        : this.#history.accept({ author, clientId, content, requestId, ...choices }, startNow)
    if (!written) {
      // A repeat is known as one whatever has changed since: a model that is offered no more, a full queue.
      const repeated = this.#repeated(author, input, sender)
      if (repeated) return repeated
      if (choices instanceof AppError) throw choices
      throw new Error('a client id was used before, and its turn is not there')
    }
    const { turn, events, message } = written
    this.#log.remember(message)
    const accepted = this.#acknowledge(turn, input.id, false, sender)
    this.audience.showEvents(events, { message: () => message, turn: () => turn })
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

  /**
   * The turn that a message belongs to: the one that wrote it, or that answers it.
   *
   * @throws AppError `not_found`
   */
  turnOf(messageId: string): TurnRow {
    const number = numberOf(messageId)
    const turn = this.#turn(number) ?? this.#turn(this.#log.message(number)?.turn ?? 0)
    if (!turn) throw new AppError('not_found', 'There is no such message.', { field: 'messageId' })
    return turn
  }

  async rename(title: string): Promise<ConversationShape> {
    const event = this.#history.rename(title)
    this.#wakeWithin(this.#deps.settings.watchdogMs)
    this.audience.showEvents([event])
    await this.settle()
    return this.describe()
  }

  /** @returns false when D1 does not know it yet: the list then shows it until the alarm has told it */
  async remove(): Promise<boolean> {
    this.#history.markDeleted()
    this.#wakeWithin(this.#deps.settings.watchdogMs)
    this.#cancelSettle?.()
    this.#runner.abandon()
    this.audience.dismiss()
    for (const resolve of [...this.#waiters.values()].flat()) resolve()
    this.#waiters.clear()
    return await this.#finishRemoval()
  }

  /** On the first use after a wake: takes up what an earlier process left. */
  recover(): void {
    if (this.deleted) return
    this.#runner.recover()
    if (this.#runner.idle) this.#settleSoon()
  }

  /** The watchdog: a turn that runs is left alone, a lost one is taken up, and D1 is told what it missed. */
  async alarm(): Promise<void> {
    this.#alarmAt = 0
    if (this.deleted) return void (await this.#finishRemoval())
    this.#runner.recover()
    if (this.#runner.running) this.#wakeWithin(this.#deps.settings.watchdogMs)
    else await this.settle()
  }

  /** Tells D1 what it does not know yet; when that fails, an alarm tries again. */
  async settle(): Promise<void> {
    await this.#outbox.drain()
    const { retryInMs } = this.#outbox
    if (retryInMs === null) return
    // There is one alarm: a turn that runs must not lose its watchdog to a retry that is far away.
    const { watchdogMs } = this.#deps.settings
    this.#wakeWithin(this.#runner.running ? Math.min(retryInMs, watchdogMs) : retryInMs)
  }

  /** Not at once: a message that follows on the heels of an answer must not wait for D1, and is told with it. */
  #settleSoon(): void {
    this.#cancelSettle ??= this.#deps.after(SETTLE_DELAY_MS, () => {
      this.#cancelSettle = null
      this.settle().catch((error: unknown) => this.#report('outbox_failed', error))
    })
  }

  #turnEnded(turn: TurnRow): void {
    for (const resolve of this.#waiters.get(turn.number) ?? []) resolve()
    this.#waiters.delete(turn.number)
    this.#settleSoon()
  }

  /** Tells D1, then erases; the alarm that `remove` set, or this sets, tries again until both are done. */
  async #finishRemoval(): Promise<boolean> {
    this.#wakeWithin(this.#deps.settings.watchdogMs)
    // An entry under way must not arrive after the removal.
    await this.#outbox.drain()
    try {
      await this.#deps.directory.remove(this.#history.conversation.id)
    } catch (error) {
      this.#report('removal_failed', error)
      return false
    }
    await this.#deps.erase()
    return true
  }

  #untold(): { entry: DirectoryEntry; upTo: number } | null {
    const { seq, delivered } = this.#history
    if (this.deleted || delivered >= seq) return null
    return { entry: { seq, conversation: this.describe() }, upTo: seq }
  }

  /** What the caller chose, or why a new message cannot be taken. */
  #choicesOf(input: ChatInput, startNow: boolean): ResolvedChoices | AppError {
    const most = this.#deps.settings.maxQueuedTurns
    if (!startNow && this.#runner.waiting >= most)
      return new AppError('queue_full', `${most} messages are waiting here; try again when one is answered.`)
    return resolveChoices(input, {
      ...offered(this.#deps),
      tip: this.#history.tip,
      exists: (number) =>
        this.#history.openTurn(number) !== undefined || this.#log.message(number) !== undefined,
    })
  }

  /** The turn that this message started before, acknowledged again; null when it is new. */
  #repeated(author: Principal, input: ChatInput, sender: Reader | undefined): Accepted | null {
    const known = this.#history.findByClientId(author, input.id, input.content)
    return known && this.#acknowledge(known, input.id, true, sender)
  }

  #acknowledge(turn: TurnRow, id: string, duplicate: boolean, sender: Reader | undefined): Accepted {
    const accepted: Accepted = {
      messageId: messageIdOf(turn.askedBy),
      turnId: turnIdOf(turn.number),
      answerId: messageIdOf(turn.number),
      duplicate,
    }
    if (sender) this.audience.sendTo(sender, { type: 'message_accepted', id, ...accepted })
    return accepted
  }

  #turn(number: number): TurnRow | undefined {
    return this.#history.openTurn(number) ?? this.#log.turn(number)
  }

  #wakeWithin(ms: number): void {
    this.#alarmAt = this.#deps.now() + ms
    this.#deps.wakeAt(this.#alarmAt)
  }

  /** An alarm that comes sooner looks after a new turn just as well, and spares the row of another. */
  #watch(): void {
    const now = this.#deps.now()
    const isWatched = this.#alarmAt > now && this.#alarmAt <= now + this.#deps.settings.watchdogMs
    if (!isWatched) this.#wakeWithin(this.#deps.settings.watchdogMs)
  }

  #warn(event: string, details: Record<string, unknown>): void {
    this.#deps.warn(event, { conversationId: this.#history.conversation.id, ...details })
  }

  #report(event: string, error: unknown, details: Record<string, unknown> = {}): void {
    this.#deps.report(event, error, { conversationId: this.#history.conversation.id, ...details })
  }
}

function offered({ model, settings }: ConversationDeps): { model: string; models: readonly string[] } {
  return { model: model.defaultModel, models: settings.models }
}

export function notFound(): AppError {
  return new AppError('not_found', 'There is no such conversation.')
}
