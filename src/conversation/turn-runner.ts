/**
 * Runs the conversation's turns, one at a time: launches, ends, stops, and takes up what an earlier process left.
 *
 * Memory holds the one running call; everything else is rows. An ending is written once: the first of stop, outcome
 * and deletion wins. Knows the room only as `show`, and who may do what not at all.
 */
import { AppError } from '../errors.ts'
import type { TurnError } from '../protocol/message.ts'
import type { OpenTurn, ServerFrame } from '../protocol/server-frames.ts'
import type { Model } from '../models/model.ts'
import type { LiveAnswer } from './catch-up.ts'
import type { ChunkStore } from './chunk-store.ts'
import type { ConversationSettings } from './deps.ts'
import { composeFrame, messageIdOf, toConversation, turnIdOf } from './events.ts'
import type { EventRow, MessageRow, TurnRow } from './events.ts'
import type { Ending, History } from './history.ts'
import type { LogReader } from './log-reader.ts'
import { StreamLog } from './stream-log.ts'
import { runTurn, type Outcome } from './turn.ts'
import { inOrder } from './turn-queue.ts'

/** A turn that lost its process before any text was stored runs once more (rule T4). */
const MAX_ATTEMPTS = 2

export interface TurnRunnerDeps {
  readonly history: History
  readonly log: LogReader
  readonly chunks: ChunkStore
  readonly model: Model
  readonly settings: Pick<ConversationSettings, 'systemPrompt' | 'contextTokens'>
  now(): number
  after(ms: number, run: () => void): () => void
  show(frame: ServerFrame): void
  /** Called before a model call: something must look after this turn if the process dies. */
  watch(): void
  /** Called when a turn has ended, whoever ended it. */
  ended(turn: TurnRow): void
  /** Told of a failure that the provider caused, for the operator. */
  failed(turn: TurnRow, error: TurnError): void
  report(event: string, error: unknown, turn: TurnRow): void
}

interface Running {
  readonly turn: TurnRow
  readonly stop: AbortController
  readonly stream: StreamLog
}

export class TurnRunner {
  readonly #deps: TurnRunnerDeps
  #running: Running | null = null

  constructor(deps: TurnRunnerDeps) {
    this.#deps = deps
  }

  get running(): TurnRow | null {
    return this.#running?.turn ?? null
  }

  /** True when a new turn may start at once. */
  get idle(): boolean {
    return this.#running === null && this.#deps.history.openTurns().length === 0
  }

  /** How many turns wait for their start. */
  get waiting(): number {
    return this.#waiting().length
  }

  /** The answer that is being written; brings every reader to its offset first. */
  live(): LiveAnswer | null {
    if (!this.#running) return null
    this.#running.stream.showPending()
    return { turn: this.#running.turn, text: this.#running.stream.text }
  }

  /** All turns that have not ended: the running one, then the waiting ones in order. */
  openTurns(): OpenTurn[] {
    const turns = this.#waiting().map((turn, index) => toOpenTurn(turn, 'queued', index + 1))
    return this.#running ? [toOpenTurn(this.#running.turn, 'streaming', 0), ...turns] : turns
  }

  /** Calls the model for a turn whose start is written. */
  launch(turn: TurnRow): void {
    const deps = this.#deps
    const messageId = messageIdOf(turn.number)
    const stream = new StreamLog({
      now: () => deps.now(),
      after: (ms, run) => deps.after(ms, run),
      show: (offset, delta) => deps.show({ type: 'stream_chunk', messageId, offset, delta }),
      store: (slot, offset, delta) => this.#store(turn, slot, offset, delta),
    })
    const running: Running = { turn, stop: new AbortController(), stream }
    this.#running = running
    this.#deps.watch()
    void this.#run(running)
  }

  /** Starts the next waiting turn if none runs, and tells the others their new places. */
  pump(): void {
    if (this.#running) return
    const next = this.#waiting()[0]
    if (!next) return
    const { turn, event } = this.#deps.history.start(next, 0)
    this.#show(event, turn)
    this.launch(turn)
    this.showQueue()
  }

  /** Tells everyone where the waiting turns stand. */
  showQueue(): void {
    for (const turn of this.openTurns()) {
      if (turn.state === 'queued') this.#deps.show({ type: 'turn_queued', ...turn })
    }
  }

  /** @returns false when the turn is not open (any more) */
  stop(number: number): boolean {
    if (this.#running?.turn.number === number) {
      const running = this.#running
      running.stop.abort()
      this.#end(running, { state: 'stopped' })
      return true
    }
    const waiting = this.#deps.history.openTurn(number)
    if (!waiting) return false
    this.#finish(waiting, { state: 'stopped', text: '' })
    this.showQueue()
    return true
  }

  /** Takes up the turns that another process was running, then what waits. Safe to call at any time. */
  recover(): void {
    for (const turn of this.#deps.history.openTurns()) {
      if (turn.state === 'queued' || turn.number === this.#running?.turn.number) continue
      const { text, whole } = this.#deps.chunks.read(turn)
      if (!whole) this.#deps.report('stored_text_has_a_gap', new Error(`at ${text.length}`), turn)
      if (text === '' && turn.attempts < MAX_ATTEMPTS && !this.#running) {
        const { turn: again, event } = this.#deps.history.start(turn, 0)
        this.#show(event, again)
        this.launch(again)
        continue
      }
      const error = new AppError(
        'interrupted',
        'The server restarted while this was being written.',
      ).toShape()
      this.#finish(turn, { state: 'interrupted', text, error })
    }
    this.pump()
  }

  /** Drops the running call without an ending: the conversation is going away. */
  abandon(): void {
    this.#running?.stop.abort()
    this.#running?.stream.end()
    this.#running = null
  }

  async #run(running: Running): Promise<void> {
    const { turn, stop, stream } = running
    const { log, model } = this.#deps
    const { systemPrompt, contextTokens } = this.#deps.settings
    const report = (error: unknown): void => this.#deps.report('turn_failed_unexpectedly', error, turn)
    let outcome: Outcome
    try {
      const messages = [
        { role: 'system' as const, content: systemPrompt },
        ...log.context(turn.askedBy, contextTokens),
      ]
      outcome = await runTurn(
        { messages, model: turn.model, requestId: turn.requestId },
        { model, append: (text) => stream.append(text), report },
        stop.signal,
      )
    } catch (error) {
      report(error)
      outcome = {
        state: 'failed',
        error: new AppError('internal', 'The answer failed unexpectedly.').toShape(),
      }
    }
    if (outcome.state === 'failed') this.#deps.failed(turn, outcome.error)
    this.#end(running, outcome)
  }

  /** First come, first served: a later ending of the same run is void. */
  #end(running: Running, outcome: Omit<Ending, 'text'>): void {
    if (this.#running !== running) return
    try {
      const text = running.stream.end()
      this.#running = null
      this.#finish(running.turn, { ...outcome, text })
      this.pump()
    } catch (error) {
      // The rows still say `streaming`, and the watchdog's alarm is set: it will find the turn.
      this.#deps.report('turn_ending_failed', error, running.turn)
    }
  }

  #finish(turn: TurnRow, ending: Ending): void {
    const { message, turn: ended, event } = this.#deps.history.finish(turn, ending)
    this.#deps.log.remember(message)
    this.#show(event, ended, message)
    this.#deps.ended(ended)
  }

  #store(turn: TurnRow, slot: number, offset: number, delta: string): void {
    try {
      this.#deps.chunks.put(turn, slot, offset, delta)
    } catch (error) {
      // Without a place to keep it, an answer must not go on as if it were safe.
      this.#deps.report('chunk_store_failed', error, turn)
      const running = this.#running
      if (running?.turn.number !== turn.number) return
      running.stop.abort()
      this.#end(running, {
        state: 'failed',
        error: new AppError('internal', 'The answer could not be stored.').toShape(),
      })
    }
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

function toOpenTurn(turn: TurnRow, state: OpenTurn['state'], position: number): OpenTurn {
  return {
    turnId: turnIdOf(turn.number),
    askedBy: messageIdOf(turn.askedBy),
    messageId: messageIdOf(turn.number),
    state,
    position,
    priority: turn.priority,
  }
}
