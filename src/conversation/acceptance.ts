/**
 * Taking things on: a new message with its turn, or a turn that is to go on after its end. First the author's quota, then
 * one synchronous step that looks at everything again, writes, and tells the room. Who may ask is checked before, by role,
 * and here, by authorship; what runs next is the runner's.
 */
import { AppError } from '../errors.ts'
import type { ContinueAnswer } from '../protocol/http.ts'
import type { Principal } from '../protocol/principal.ts'
import type { FrameOf } from '../protocol/server-frames.ts'
import type { Audience } from './audience.ts'
import { resolveChoices, type ChatInput, type Choices, type ResolvedChoices } from './chat-input.ts'
import type { ConversationDeps } from './deps.ts'
import { messageIdOf, numberOf, turnIdOf } from './events.ts'
import type { TurnRow } from './events.ts'
import type { History } from './history.ts'
import type { LogReader } from './log-reader.ts'
import type { Reader } from './room.ts'
import type { TurnQuota } from './turn-quota.ts'
import type { TurnRunner } from './turn-runner.ts'

export type Accepted = Omit<FrameOf<'message_accepted'>, 'type' | 'id'>

export interface AcceptanceDeps {
  readonly lent: Pick<ConversationDeps, 'model' | 'agents' | 'settings' | 'fresh' | 'paused'>
  readonly history: History
  readonly log: LogReader
  readonly audience: Audience
  readonly runner: TurnRunner
  readonly quota: TurnQuota
  /** @throws AppError when this person may not write here (any more) */
  authorize(author: Principal): void
  /** Tells the quotas of turns that ended. */
  tell(): Promise<void>
}

export class Acceptance {
  readonly #deps: AcceptanceDeps

  constructor(deps: AcceptanceDeps) {
    this.#deps = deps
  }

  /**
   * Accepts a message, or finds the turn that it started before. Durable before anyone hears of it. Waits for nothing
   * when the author's turns are not counted, or this one is reserved already.
   */
  chat(author: Principal, input: ChatInput, sender?: Reader): Accepted | Promise<Accepted> {
    return this.#deps.quota.admit(author, input, {
      repeated: () => this.#repeated(author, input, sender),
      check: () => {
        const choices = this.#choicesOf(input)
        if (choices instanceof AppError) throw choices
        return choices
      },
      tell: () => this.#deps.tell(),
      accept: () => {
        // Reserving took its time: what was allowed then may not be any more.
        this.#deps.authorize(author)
        return this.#accept(author, input, sender)
      },
    })
  }

  /**
   * Has an answer go on that failed or was interrupted.
   *
   * @throws AppError `not_found`, `forbidden` for who did not ask the question, `conflict` when there is nothing to go on with
   */
  async resume(author: Principal, turnId: string): Promise<ContinueAnswer> {
    const { lent } = this.#deps
    const number = numberOf(turnId)
    const answer = { turnId, messageId: messageIdOf(number) }
    const find = (): TurnRow | null => {
      const { history, log } = this.#deps
      if (history.openTurn(number)) return null
      const turn = log.turn(number)
      if (!turn) throw new AppError('not_found', 'There is no such turn.', { field: 'turnId' })
      return turn
    }
    await lent.fresh()
    const turn = find()
    if (!turn) return { ...answer, continued: false }
    this.#checkResume(author, turn)
    await this.#deps.quota.reserveAgain(author, turn, () => this.#deps.tell())
    try {
      // Reserving took its time.
      this.#deps.authorize(author)
      const again = find()
      if (!again || again.attempts !== turn.attempts) return { ...answer, continued: false }
      this.#checkResume(author, again)
      this.#deps.runner.resume(again)
      return { ...answer, continued: true }
    } catch (error) {
      // Unless the same was asked twice at once, and the other goes on under this reservation.
      if (!this.#deps.history.openTurn(number)) await this.#deps.quota.releaseAgain(author, turn)
      throw error
    }
  }

  #checkResume(author: Principal, turn: TurnRow): void {
    const { lent, log, runner } = this.#deps
    const asked = log.message(turn.askedBy)
    const text = log.message(turn.number)?.content ?? ''
    if (asked?.authorId !== author.userId)
      throw new AppError('forbidden', 'Only who asked may have the answer go on.')
    if (turn.state !== 'failed' && turn.state !== 'interrupted')
      throw new AppError('conflict', 'This answer has ended by itself.', { field: 'turnId' })
    if (!runner.mayResume(text))
      throw new AppError('conflict', 'No model here can go on from this text.', { field: 'turnId' })
    const refusal = pausedNow(lent) ?? this.#fullQueue()
    if (refusal) throw refusal
  }

  #accept(author: Principal, input: ChatInput, sender: Reader | undefined): Accepted {
    const { history, log, audience, runner } = this.#deps
    const choices = this.#choicesOf(input)
    const { id: clientId, content, requestId } = input
    const startNow = !(choices instanceof AppError) && runner.startsNow(choices.model)
    const written =
      choices instanceof AppError
        ? null
        : history.accept({ author, clientId, content, requestId, ...choices }, startNow)
    if (!written) {
      // A repeat is known as one whatever has changed since: a model that is offered no more, a full queue.
      const repeated = this.#repeated(author, input, sender)
      if (repeated) return repeated
      if (choices instanceof AppError) throw choices
      throw new Error('a client id was used before, and its turn is not there')
    }
    const { turn, events, message } = written
    log.remember(message)
    const accepted = this.#acknowledge(turn, input.id, false, sender)
    audience.showEvents(events, { message: () => message, turn: () => turn })
    if (startNow) runner.launch(turn)
    else if (runner.running) runner.showQueue()
    else runner.pump()
    return accepted
  }

  /** What the caller chose, or why a new message cannot be taken. */
  #choicesOf(input: ChatInput): ResolvedChoices | AppError {
    const { lent, history, log } = this.#deps
    const refusal = pausedNow(lent) ?? this.#fullQueue()
    if (refusal) return refusal
    return resolveChoices(input, {
      ...offered(lent),
      tip: history.tip,
      exists: (number) => history.openTurn(number) !== undefined || log.message(number) !== undefined,
    })
  }

  #fullQueue(): AppError | null {
    const { lent, runner } = this.#deps
    const most = lent.settings.maxQueuedTurns
    return runner.idle || runner.waiting < most
      ? null
      : new AppError('queue_full', `${most} messages are waiting here; try again when one is answered.`)
  }

  /** The turn that this message started before, acknowledged again; null when it is new. */
  #repeated(author: Principal, input: ChatInput, sender: Reader | undefined): Accepted | null {
    const known = this.#deps.history.findByClientId(author, input.id, input.content)
    return known && this.#acknowledge(known, input.id, true, sender)
  }

  #acknowledge(turn: TurnRow, id: string, duplicate: boolean, sender: Reader | undefined): Accepted {
    const accepted: Accepted = {
      messageId: messageIdOf(turn.askedBy),
      turnId: turnIdOf(turn.number),
      answerId: messageIdOf(turn.number),
      duplicate,
    }
    if (sender) this.#deps.audience.sendTo(sender, { type: 'message_accepted', id, ...accepted })
    return accepted
  }
}

/** Why this cannot be the first message of a conversation; null when it can. */
export function refusalOfFirst(
  lent: Pick<ConversationDeps, 'model' | 'agents' | 'settings' | 'paused'>,
  input: ChatInput,
): AppError | null {
  const paused = pausedNow(lent)
  if (paused) return paused
  const choices = resolveChoices(input, { ...offered(lent), tip: null, exists: () => false })
  return choices instanceof AppError ? choices : null
}

function pausedNow({ paused }: Pick<ConversationDeps, 'paused'>): AppError | null {
  const reason = paused()
  return reason === null ? null : new AppError('paused', `No answers are written right now: ${reason}`)
}

function offered({
  model,
  agents,
  settings,
}: Pick<ConversationDeps, 'model' | 'agents' | 'settings'>): Pick<Choices, 'model' | 'models' | 'agents'> {
  return { model: model.defaultModel, models: settings.models, agents }
}
