/**
 * Runs the conversation's turns, one at a time: launches, ends, stops, and takes up what an earlier process left.
 *
 * Memory holds the one running attempt; everything else is rows. An ending is written once: the first of stop, outcome
 * and deletion wins. Knows the room only as `show`, and who may do what not at all.
 */
import type { AdmissionQueue, Grant, QueueNews } from '../admission/admission.ts'
import { AppError } from '../errors.ts'
import type { TurnError } from '../protocol/message.ts'
import type { OpenTurn, ServerFrame } from '../protocol/server-frames.ts'
import type { CachedAnswer } from './answer-cache.ts'
import { Attempt, type AttemptDeps } from './attempt.ts'
import type { LiveAnswer } from './catch-up.ts'
import type { ConversationSettings } from './deps.ts'
import { composeFrame, toConversation, toOpenTurn } from './events.ts'
import type { EventRow, MessageRow, TurnRow } from './events.ts'
import type { History } from './history.ts'
import type { Ending } from './new-rows.ts'
import { ProviderQueue } from './provider-queue.ts'
import { Question } from './question.ts'
import { StoredAnswers } from './stored-answers.ts'
import type { Written } from './stream-log.ts'
import { hasBegun, inOrder } from './turn-queue.ts'
import type { Outcome } from './turn.ts'

export interface TurnRunnerDeps extends Omit<AttemptDeps, 'report' | 'settings'> {
  readonly history: History
  /** Waits until what is known of providers is at most a second old; undefined when it is. */
  fresh(): Promise<void> | undefined
  readonly admission: AdmissionQueue
  readonly settings: Pick<
    ConversationSettings,
    'contextTokens' | 'answerTokens' | 'continueTokens' | 'queueTimeoutMs'
  >
  show(frame: ServerFrame): void
  /** Called before a model call: something must look after this turn if the process dies. */
  watch(): void
  /** Called when a turn has ended, whoever ended it. */
  ended(turn: TurnRow): void
  /** Told of a failure that the provider caused, for the operator. */
  failed(turn: TurnRow, error: TurnError): void
  report(event: string, error: unknown, turn: TurnRow | null): void
}

export class TurnRunner {
  readonly #deps: TurnRunnerDeps
  readonly #answers: StoredAnswers
  readonly #queue: ProviderQueue
  #running: Attempt | null = null
  /** An answer of before, for the turn that is about to start with it. */
  #known: { readonly number: number; readonly answer: CachedAnswer } | null = null

  constructor(deps: TurnRunnerDeps) {
    this.#deps = deps
    this.#answers = new StoredAnswers(deps)
    this.#queue = new ProviderQueue({
      admission: deps.admission,
      conversationId: deps.history.conversation.id,
      timeoutMs: deps.settings.queueTimeoutMs,
      now: () => deps.now(),
      after: (ms, run) => deps.after(ms, run),
      describe: (turn) => ({
        userId: deps.log.message(turn.askedBy)?.authorId ?? '',
        tokens: this.#answers.inputTokens(turn) + deps.settings.answerTokens,
      }),
      fresh: () => deps.fresh(),
      goesOn: (turn) => this.#goesOn(turn),
      isAnswered: (turn) => this.#isAnswered(turn),
      needless: () => this.pump(),
      granted: (turn, grant) => this.#granted(turn, grant),
      moved: () => this.showQueue(),
      refused: (turn, error) => this.#refused(turn, error),
      report: (event, error) => deps.report(event, error, null),
    })
  }

  get running(): TurnRow | null {
    return this.#running?.turn ?? null
  }

  /** True when nothing runs and nothing waits. */
  get idle(): boolean {
    return this.#running === null && this.#deps.history.openTurns().length === 0
  }

  /** Whether a new turn of this model starts with its acceptance. */
  startsNow(model: string): boolean {
    return this.idle && !this.#queue.needs(model, false)
  }

  /** Whether anything has to be looked after. */
  get isBusy(): boolean {
    return this.#running !== null || this.#queue.isWaiting
  }

  /** How many turns wait for their start. */
  get waiting(): number {
    return this.#waiting().length
  }

  /** The answer that is being written; brings every reader to its offset first. */
  live(): LiveAnswer | null {
    if (this.#running) return { turn: this.#running.turn, text: this.#running.shownText() }
    // One that lost its process and waits for a place before it goes on.
    const begun = this.#waiting().find((turn) => hasBegun(turn))
    return begun ? { turn: begun, text: this.#answers.written(begun).text } : null
  }

  /** All turns that have not ended: the running one, then the waiting ones in order. */
  openTurns(): OpenTurn[] {
    const waiting = this.#waiting()
    const place = waiting[0] ? this.#queue.placeOf(waiting[0].number) : null
    const turns = waiting.map((turn, index) => ({
      ...toOpenTurn(turn, 'queued', (place?.position ?? 1) + index),
      ...(index === 0 && place && place.etaMs !== null && { etaMs: place.etaMs }),
    }))
    return this.#running ? [toOpenTurn(this.#running.turn, 'streaming', 0), ...turns] : turns
  }

  /** Calls the model for a turn whose start is written. @param written what it has said already */
  launch(turn: TurnRow, written: Written = { text: '', slot: 0 }, grant: Grant | null = null): void {
    const place = grant && { provider: grant.provider, release: this.#queue.keep(grant) }
    const known = this.#known?.number === turn.number ? this.#known.answer : null
    this.#known = null
    const attempt = new Attempt(turn, written, this.#deps, () => this.#unstorable(attempt), place, known)
    this.#running = attempt
    this.#deps.watch()
    void this.#run(attempt)
  }

  /** Starts the next waiting turn if none runs, or asks for a place for it, and tells the others their new places. */
  pump(): void {
    if (this.#running) return
    const next = this.#waiting()[0]
    if (!next) return this.#queue.leave()
    if (this.#queue.needs(next.model, this.#goesOn(next))) {
      this.#queue.ask(next)
      this.#deps.watch()
    } else this.#start(next, null)
    this.showQueue()
  }

  /** What the provider's queue says of a turn. @returns whether a place that is given is used */
  queueNews(number: number, news: QueueNews): boolean {
    return this.#queue.news(number, news)
  }

  /** An operator has sent a turn again that had ended: it has a place. @returns whether it starts now, or waits here */
  startAgain(turn: TurnRow, grant: Grant): boolean {
    const opened = this.#deps.history.resume(turn)
    if (this.#running) this.showQueue()
    else this.#start(opened, grant)
    return this.#running?.turn.number === turn.number
  }

  /** Tells everyone where the waiting turns stand. */
  showQueue(): void {
    for (const turn of this.openTurns()) {
      if (turn.state === 'queued') this.#deps.show({ type: 'turn_queued', ...turn })
    }
  }

  /** @returns false when the turn is not open (any more) */
  stop(number: number): boolean {
    const running = this.#running
    if (running?.turn.number === number) {
      running.abort()
      this.#end(running, { state: 'stopped' })
      return true
    }
    const waiting = this.#deps.history.openTurn(number)
    if (!waiting) return false
    this.#endWaiting(waiting, { state: 'stopped' })
    return true
  }

  /** Opens a turn again that failed or was interrupted: it goes on after the text that it has. */
  resume(turn: TurnRow): void {
    this.#deps.history.resume(turn)
    if (this.#running) this.showQueue()
    else this.pump()
  }

  /** What is stored of what the newest run of a turn said. */
  ownText(turn: TurnRow): string {
    return this.#answers.ownText(turn)
  }

  /** Whether an answer that ended with this text can go on, or begin again. */
  mayResume(text: string): boolean {
    return this.#answers.mayResume(text)
  }

  /** Takes up the turns that another process was running, then what waits. Safe to call at any time. */
  recover(): void {
    this.#queue.look()
    for (const turn of this.#deps.history.openTurns()) {
      if (turn.state === 'queued' || turn.number === this.#running?.turn.number) continue
      const { text } = this.#answers.written(turn)
      if (!this.#running && this.#answers.recovers(turn, text)) {
        if (this.#queue.needs(turn.model, text !== '')) this.#deps.history.requeue(turn)
        else this.#start(turn, null)
        continue
      }
      this.#queue.freePlaceOf(turn)
      const error = new AppError('interrupted', 'The server restarted while this was being written.')
      this.#finish(turn, {
        state: 'interrupted',
        text,
        error: this.#answers.explain(error.toShape(), text),
        lost: this.#answers.lost(turn, text, null),
      })
    }
    this.pump()
  }

  /** Drops the running call without an ending: the conversation is going away. */
  abandon(): void {
    const running = this.#running
    running?.abort()
    const said = running?.end().slice(running.from) ?? ''
    running?.giveBack(this.#answers.usedTokens(running.turn, said))
    this.#running = null
    this.#queue.leave()
  }

  #start(next: TurnRow, grant: Grant | null): void {
    const written = this.#answers.written(next)
    const { turn, event } = this.#deps.history.start(next, written.text.length)
    this.#show(event, turn)
    this.launch(turn, written, grant)
  }

  #goesOn(turn: TurnRow): boolean {
    return this.#answers.written(turn).text !== ''
  }

  /** An answer that is known waits for nobody. */
  #isAnswered(turn: TurnRow): Promise<boolean> | false {
    if (this.#goesOn(turn)) return false
    const question = new Question(turn, this.#deps)
    if (!question.isCacheable) return false
    return question.recall(false).then((answer) => {
      this.#known = answer && { number: turn.number, answer }
      return answer !== null
    })
  }

  #granted(turn: TurnRow, grant: Grant | null): boolean {
    // It was given to the turn that was next when it was asked for.
    if (this.#running || this.#waiting()[0]?.number !== turn.number) {
      this.pump()
      return false
    }
    this.#start(this.#waiting()[0] ?? turn, grant)
    this.showQueue()
    return true
  }

  #refused(turn: TurnRow, error: AppError): void {
    this.#deps.failed(turn, error.toShape())
    this.#endWaiting(turn, { state: 'failed', error: error.toShape() })
  }

  #unstorable(attempt: Attempt): void {
    if (this.#running !== attempt) return
    attempt.abort()
    const error = new AppError('internal', 'The answer could not be stored.')
    this.#end(attempt, { state: 'failed', error: error.toShape() })
  }

  #endWaiting(turn: TurnRow, outcome: Pick<Ending, 'state' | 'error'>): void {
    const { text } = this.#answers.written(turn)
    this.#queue.leave(turn.number)
    const error = outcome.error && this.#answers.explain(outcome.error, text)
    this.#finish(turn, {
      ...outcome,
      text,
      waited: true,
      ...(error && { error }),
      lost: this.#answers.lost(turn, text, null),
    })
    if (this.#running) this.showQueue()
    else this.pump()
  }

  async #run(attempt: Attempt): Promise<void> {
    const outcome = await attempt.run()
    if (outcome.state === 'failed') this.#deps.failed(attempt.turn, outcome.error)
    this.#end(attempt, outcome)
  }

  /** First come, first served: a later ending of the same run is void. */
  #end(attempt: Attempt, outcome: Outcome): void {
    if (this.#running !== attempt) return
    const { turn, from } = attempt
    try {
      const text = attempt.end()
      this.#running = null
      const usage = outcome.state === 'completed' ? outcome.usage : undefined
      attempt.giveBack(
        usage ? usage.inputTokens + usage.outputTokens : this.#answers.usedTokens(turn, text.slice(from)),
      )
      this.#finish(turn, {
        ...outcome,
        text,
        lost: this.#answers.lost(turn, text, from),
        ...(outcome.state === 'failed' && { error: this.#answers.explain(outcome.error, text) }),
      })
      this.pump()
    } catch (error) {
      // The rows still say `streaming`, and the watchdog's alarm is set: it will find the turn.
      this.#deps.report('turn_ending_failed', error, turn)
    }
  }

  #finish(turn: TurnRow, ending: Ending): void {
    const from = this.#answers.startOf(turn)
    const { message, turn: ended, event } = this.#deps.history.finish(turn, { ...ending, from })
    this.#deps.log.remember(message)
    this.#show(event, ended, message)
    this.#deps.ended(ended)
  }

  #waiting(): TurnRow[] {
    const waiting = this.#deps.history.openTurns().filter((turn) => turn.state === 'queued')
    return inOrder(waiting, this.#deps.now())
  }

  #show(event: EventRow, turn: TurnRow, message?: MessageRow): void {
    const { history } = this.#deps
    const frame = composeFrame(event, {
      conversation: () => toConversation(history.conversation, history.activity),
      members() {
        throw new Error(`event ${event.seq} (${event.type}) is not of a turn`)
      },
      turn: () => turn,
      message() {
        if (!message) throw new Error(`event ${event.seq} (${event.type}) needs its message`)
        return message
      },
    })
    this.#deps.show(frame)
  }
}
