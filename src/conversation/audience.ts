/**
 * Those who read along: joining, following one turn, leaving, presence and typing.
 *
 * Catching a reader up and letting it read live happen in one synchronous block, so nothing falls between and nothing
 * is sent twice. What is written, and by whom, is not decided here.
 */
import type { JoinConversation } from '../protocol/client-frames.ts'
import type { MessagePage } from '../protocol/http.ts'
import type { Conversation } from '../protocol/message.ts'
import type { Principal } from '../protocol/principal.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import { FIRST_PAGE, messagePage, missedEvents, replay, rowsOf } from './catch-up.ts'
import { composeFrame, isEnding, messageIdOf, toConversation, turnIdOf } from './events.ts'
import type { EventRow, Rows, TurnRow } from './events.ts'
import type { History } from './history.ts'
import type { LogReader } from './log-reader.ts'
import type { Membership } from './membership.ts'
import { Room, type Reader } from './room.ts'
import type { TurnRunner } from './turn-runner.ts'
import { hasEnded } from './turn-state.ts'

export class Audience {
  readonly #history: History
  readonly #membership: Membership
  readonly #log: LogReader
  readonly #runner: () => TurnRunner
  readonly #room = new Room()

  /** @param runner asked for late, because the runner shows its frames here */
  constructor(history: History, membership: Membership, log: LogReader, runner: () => TurnRunner) {
    this.#history = history
    this.#membership = membership
    this.#log = log
    this.#runner = runner
  }

  /** @param userId of the member who is told, and hears what they are here */
  describe(userId?: string): Conversation {
    const role = userId === undefined ? null : this.#membership.roleOf(userId)
    return {
      ...toConversation(this.#history.conversation, this.#history.activity),
      ...(role && { role }),
    }
  }

  page(before: number | null, limit: number): MessagePage {
    return messagePage(this.#log, this.#runner().live(), before, limit)
  }

  show(frame: ServerFrame): void {
    this.#room.broadcast(frame)
  }

  /** Shows events that were just written. @param rows those that are at hand already */
  showEvents(events: readonly EventRow[], rows: Partial<Rows> = {}): void {
    const all = { ...this.#rows(), ...rows }
    for (const event of events) this.#room.broadcast(composeFrame(event, all))
  }

  sendTo(reader: Reader, frame: ServerFrame): void {
    this.#room.sendTo(reader, frame)
  }

  has(reader: Reader): boolean {
    return this.#room.has(reader)
  }

  /** Those who follow one turn and are not here otherwise. */
  followers(): Reader[] {
    return this.#room.absent()
  }

  /** Catches the reader up and lets it read along (rules R2–R8). */
  join(reader: Reader, frame: JoinConversation): void {
    const live = this.#runner().live()
    const missed = missedEvents(this.#history, this.#log, frame.after)
    const isNew = !this.#room.has(reader)
    this.#room.add(reader)
    const { userId, name } = reader.principal
    this.#membership.see(userId, name)
    this.#room.sendTo(reader, {
      type: 'conversation_joined',
      seq: this.#history.seq,
      reset: missed === null,
      conversation: this.describe(userId),
      ...(missed === null && messagePage(this.#log, live, null, FIRST_PAGE)),
      turns: this.#runner().openTurns(),
      viewers: this.#room.viewers(),
      you: { userId, name },
    })
    if (missed) {
      const frames = replay(missed, frame.have, live, this.#rows())
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

  typing(reader: Reader, active: boolean): void {
    const { userId, name } = reader.principal
    this.#room.broadcast({ type: 'typing', userId, name, active }, reader)
  }

  /**
   * Lets a reader follow one turn, from after `after` and from the text that it has (rule S3).
   *
   * @returns false when the turn has ended: all of it was sent
   */
  follow(reader: Reader, turn: TurnRow, after: number, have: number | undefined): boolean {
    const current = this.#runner().live()
    // One that is to go on after its end is shown as if it did: its ends of before are left out.
    const text =
      !hasEnded(turn.state) && turn.attempts > 0 ? this.#log.message(turn.number)?.content : undefined
    const live = current?.turn.number === turn.number ? current : text === undefined ? null : { turn, text }
    const held = have === undefined ? undefined : { messageId: messageIdOf(turn.number), offset: have }
    // Ends that it went on after would end the reader, too.
    const events = this.#log
      .eventsOfTurn(turn, after)
      .filter((event, index, all) => (hasEnded(turn.state) && index === all.length - 1) || !isEnding(event))
    for (const frame of replay(events, held, live, this.#rows())) {
      this.#room.sendTo(reader, frame)
    }
    if (hasEnded(turn.state)) return false
    this.#room.add(reader)
    const turnId = turnIdOf(turn.number)
    const waiting = this.#runner()
      .openTurns()
      .find((open) => open.state === 'queued' && open.turnId === turnId)
    if (waiting) this.#room.sendTo(reader, { type: 'turn_queued', ...waiting })
    return true
  }

  /** Ends what these people receive; the others see them go. */
  cut(which: (principal: Principal) => boolean, frame: ServerFrame, code: number, reason: string): void {
    if (this.#room.cut(which, frame, code, reason)) this.#showPresence()
  }

  /** The last frame, and the end of every connection (rule C2). */
  dismiss(): void {
    this.#room.broadcast({ type: 'conversation_deleted', conversationId: this.#history.conversation.id })
    this.#room.closeAll(4410, 'conversation deleted')
  }

  #rows(): ReturnType<typeof rowsOf> {
    return rowsOf(this.#history, this.#membership, this.#log)
  }

  #showPresence(except?: Reader): void {
    this.#room.broadcast({ type: 'presence', viewers: this.#room.viewers() }, except)
  }
}
