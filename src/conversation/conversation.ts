/**
 * One conversation: who may, what is written, what runs. The commands of every transport end here.
 *
 * Expected failures are thrown as `AppError`. Knows readers and rows, neither sockets nor the platform; the Durable
 * Object in `conversation-object.ts` carries bytes to it and lends it storage, time and an alarm.
 */
import type { QueueNews } from '../admission/admission.ts'
import { AppError } from '../errors.ts'
import type { ContinueAnswer, MessagePage, StopAnswer } from '../protocol/http.ts'
import type { Conversation as ConversationShape, Message } from '../protocol/message.ts'
import type { Principal } from '../protocol/principal.ts'
import { Acceptance, type Accepted } from './acceptance.ts'
import { notFound } from './access.ts'
import { Audience } from './audience.ts'
import type { ChatInput } from './chat-input.ts'
import { ChunkStore } from './chunk-store.ts'
import type { Database } from './database.ts'
import type { ConversationDeps, DirectoryEntry, TurnUsage } from './deps.ts'
import { openDoors, type Doors } from './doors.ts'
import { messageIdOf, numberOf, toMessage, turnIdOf } from './events.ts'
import type { EventRow, TurnRow } from './events.ts'
import { FrameLimits } from './frame-limits.ts'
import { History } from './history.ts'
import { LogReader } from './log-reader.ts'
import { Membership } from './membership.ts'
import type { Reader } from './room.ts'
import { Statements } from './statements.ts'
import { hasEnded } from './turn-state.ts'
import { TurnQuota } from './turn-quota.ts'
import { TurnReader } from './turn-reader.ts'
import { TurnRunner } from './turn-runner.ts'
import { TurnWaiters } from './turn-waiters.ts'
import { Upkeep } from './upkeep.ts'

/** What D1 and the quotas are told together. */
interface Told extends DirectoryEntry {
  readonly usage: readonly TurnUsage[]
}

export class Conversation {
  readonly audience: Audience
  readonly doors: Doors
  readonly #deps: ConversationDeps
  readonly #history: History
  readonly #membership: Membership
  readonly #log: LogReader
  readonly #runner: TurnRunner
  readonly #acceptance: Acceptance
  readonly #upkeep: Upkeep<Told>
  readonly #turnQuota: TurnQuota
  /** How fast each connection may send. */
  readonly frames: FrameLimits
  readonly #waiters = new TurnWaiters()

  private constructor(
    db: Database,
    statements: Statements,
    history: History,
    deps: ConversationDeps,
    alarm: number | null,
  ) {
    this.#deps = deps
    this.#history = history
    this.#membership = new Membership(db, history)
    this.#log = new LogReader(db, statements)
    this.audience = new Audience(history, this.#membership, this.#log, () => this.#runner)
    this.#turnQuota = new TurnQuota(deps, history, this.#log)
    this.frames = new FrameLimits(deps.settings.frameRates, () => deps.now())
    this.#runner = new TurnRunner({
      history,
      log: this.#log,
      chunks: new ChunkStore(statements),
      model: deps.model,
      agents: deps.agents,
      cache: deps.cache,
      admission: deps.admission,
      fresh: () => deps.fresh(),
      settings: deps.settings,
      now: () => deps.now(),
      after: (ms, run) => deps.after(ms, run),
      show: (frame) => this.audience.show(frame),
      watch: () => this.#upkeep.watch(),
      ended: (turn) => this.#turnEnded(turn),
      failed: (turn, error) =>
        this.#warn('turn_failed', { turnId: turnIdOf(turn.number), model: turn.model, ...error }),
      report: (event, error, turn) =>
        this.#report(event, error, { ...(turn && { turnId: turnIdOf(turn.number) }) }),
    })
    this.#acceptance = new Acceptance({
      lent: deps,
      history,
      log: this.#log,
      audience: this.audience,
      runner: this.#runner,
      quota: this.#turnQuota,
      authorize: (author) => this.doors.access.authorize(author, 'conversation:write'),
      tell: () => this.settle(),
    })
    this.#upkeep = new Upkeep({
      alarm,
      watchdogMs: deps.settings.watchdogMs,
      now: () => deps.now(),
      after: (ms, run) => deps.after(ms, run),
      wakeAt: (time) => deps.wakeAt(time),
      isRunning: () => this.#runner.isBusy,
      pending: () => this.#untold(),
      deliver: async ({ usage, ...entry }) =>
        void (await Promise.all([deps.directory.put(entry), deps.quota.settle(usage)])),
      settle: (upTo) => history.settle(upTo),
      report: (event, error) => this.#report(event, error),
    })
    this.doors = openDoors({
      db,
      history,
      deps,
      membership: this.#membership,
      log: this.#log,
      audience: this.audience,
      announce: (event) => this.#announce(event),
      checkProofsBy: (time) => this.#upkeep.checkProofsBy(time),
      report: (event, error) => this.#report(event, error),
    })
  }

  /** @param alarm when the object's alarm is due, if one is set */
  static load(db: Database, deps: ConversationDeps, alarm: number | null): Conversation | null {
    const statements = new Statements(db.$client)
    const history = History.load(db, statements, () => deps.now())
    return history && new Conversation(db, statements, history, deps, alarm)
  }

  static create(
    db: Database,
    deps: ConversationDeps,
    input: { id: string; ownerId: string; ownerName: string; title: string },
  ): Conversation {
    const statements = new Statements(db.$client)
    const history = History.create(db, statements, () => deps.now(), input)
    return new Conversation(db, statements, history, deps, null)
  }

  get deleted(): boolean {
    return this.#history.conversation.deletedAt !== null
  }

  /** @param userId of the member who is told */
  describe(userId?: string): ConversationShape {
    return this.audience.describe(userId)
  }

  page(before: string | undefined, limit: number): MessagePage {
    return this.audience.page(before === undefined ? null : numberOf(before), limit)
  }

  /** See {@link Acceptance.chat}. */
  chat(author: Principal, input: ChatInput, sender?: Reader): Accepted | Promise<Accepted> {
    return this.#acceptance.chat(author, input, sender)
  }

  /** See {@link Acceptance.resume}. */
  async resume(author: Principal, turnId: string): Promise<ContinueAnswer> {
    return await this.#acceptance.resume(author, turnId)
  }

  /** What the provider's queue says of a turn. @returns whether a place that is given is used */
  queueNews(turn: number, news: QueueNews): boolean {
    if (this.deleted) return news.state !== 'granted'
    if (news.state !== 'granted' || this.#history.openTurn(turn)) return this.#runner.queueNews(turn, news)
    // It had ended, so the place is nobody's, unless an operator wants it to run all the same.
    const ended = news.again && this.#log.turn(turn)
    const mayRun = ended && (ended.state === 'failed' || ended.state === 'interrupted')
    return mayRun && this.#runner.mayResume(this.#log.message(turn)?.content ?? '')
      ? this.#runner.startAgain(ended, news)
      : this.#runner.queueNews(turn, news)
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
    if (this.#history.openTurn(number)) await this.#waiters.wait(number)
    const row = this.deleted ? undefined : this.#log.message(number)
    if (!row) throw notFound()
    return toMessage(row)
  }

  /**
   * The frames of one turn, as JSON lines, until it ends.
   *
   * @throws AppError `not_found`, `too_many_connections`
   */
  follow(
    principal: Principal,
    messageId: string,
    after: number,
    have: number | undefined,
  ): ReadableStream<Uint8Array> {
    const turn = this.#turnOf(messageId)
    this.doors.connections.admitFollower(principal)
    const names = { turnId: turnIdOf(turn.number), messageId: messageIdOf(turn.number) }
    const reader = new TurnReader(principal, names, (gone) => this.audience.leave(gone))
    if (!this.audience.follow(reader, turn, after, have)) reader.end()
    return reader.stream
  }

  /** The turn that a message belongs to: the one that wrote it, or that answers it. */
  #turnOf(messageId: string): TurnRow {
    const number = numberOf(messageId)
    const turn = this.#turn(number) ?? this.#turn(this.#log.message(number)?.turn ?? 0)
    if (!turn) throw new AppError('not_found', 'There is no such message.', { field: 'messageId' })
    return turn
  }

  async rename(title: string): Promise<void> {
    await this.#announce(this.#history.rename(title))
  }

  /** What is remembered of messages is read again. */
  reread(): void {
    this.#log.forget()
  }

  /** @returns false when D1 does not know it yet: the list then shows it until the alarm has told it */
  async remove(): Promise<boolean> {
    this.#history.markDeleted()
    this.#upkeep.watch()
    this.#runner.abandon()
    this.audience.dismiss()
    this.#waiters.release()
    return await this.#finishRemoval()
  }

  /** On the first use after a wake: takes up what an earlier process left. */
  recover(): void {
    if (this.deleted) return
    this.#runner.recover()
    if (this.#runner.idle) this.#upkeep.settleSoon()
  }

  /**
   * The watchdog: a turn that runs is left alone, a lost one is taken up, and D1 is told what it missed. And whoever has
   * to prove again who they are is asked.
   */
  async alarm(): Promise<void> {
    await this.#upkeep.alarm(async () => {
      if (this.deleted) return void (await this.#finishRemoval())
      this.doors.connections.check()
      this.#runner.recover()
      if (this.#runner.isBusy) this.#upkeep.watch()
      else await this.settle()
    })
  }

  /** Tells D1 what it does not know yet; when that fails, an alarm tries again. */
  async settle(): Promise<void> {
    await this.#upkeep.settle()
  }

  /** Shows what was written, then tells D1; should the process die in between, an alarm does. */
  async #announce(event: EventRow): Promise<void> {
    this.#upkeep.watch()
    this.audience.showEvents([event])
    await this.settle()
  }

  #turnEnded(turn: TurnRow): void {
    this.#waiters.ended(turn.number)
    this.#upkeep.settleSoon()
  }

  /** Tells D1, then erases; the alarm that `remove` set, or this sets, tries again until both are done. */
  async #finishRemoval(): Promise<boolean> {
    this.#upkeep.watch()
    // An entry under way must not arrive after the removal.
    await this.#upkeep.finish()
    try {
      const used = this.#turnQuota.atRemoval(this.#deps.now(), (turn) => this.#runner.ownText(turn))
      await this.#deps.quota.settle(used)
      await this.#deps.directory.remove(this.#history.conversation.id)
    } catch (error) {
      this.#report('removal_failed', error)
      return false
    }
    await this.#deps.erase()
    return true
  }

  #untold(): { entry: Told; upTo: number } | null {
    const { seq, delivered } = this.#history
    if (this.deleted || delivered >= seq) return null
    const { usage, upTo } = this.#turnQuota.endedAfter(delivered)
    const members = this.#membership.untold(delivered)
    return { entry: { seq, conversation: this.describe(), ...(members && { members }), usage }, upTo }
  }

  #turn(number: number): TurnRow | undefined {
    return this.#history.openTurn(number) ?? this.#log.turn(number)
  }

  #warn(event: string, details: Record<string, unknown>): void {
    this.#deps.warn(event, { conversationId: this.#history.conversation.id, ...details })
  }

  #report(event: string, error: unknown, details: Record<string, unknown> = {}): void {
    this.#deps.report(event, error, { conversationId: this.#history.conversation.id, ...details })
  }
}
