/**
 * What turns use of their authors' quotas: a new message is reserved before it is accepted, and settled after its turn has
 * ended, with what the provider says that it used, or else with what can be estimated from the rows.
 *
 * Messages of one author are taken one after the other, so that waiting for an answer about one does not let the next pass
 * it, or the same one be taken twice. Who has a quota, what it is and what a token costs is not known here.
 */
import { estimateTokenCount } from 'tokenx'
import type { Agent } from '../agents/registry.ts'
import { AppError } from '../errors.ts'
import { DEFAULT_AGENT } from '../protocol/agent-config.ts'
import type { Principal } from '../protocol/principal.ts'
import { historyTokens, type ChatInput, type ResolvedChoices } from './chat-input.ts'
import type { ConversationDeps, TurnUsage } from './deps.ts'
import { endingOf, type EndingData, type MessageRow, type TurnRow } from './events.ts'
import type { History } from './history.ts'
import type { LogReader } from './log-reader.ts'
import { hasBegun } from './turn-queue.ts'
import type { EndedState } from './turn-state.ts'

/** Events that one delivery looks at: after a long failure of D1 it goes on in steps. */
const EVENTS_AT_A_TIME = 400

/** 2020: so that places stay whole numbers for centuries. */
const PLACES_SINCE = Date.UTC(2020)
const PLACES_PER_MS = 1024

const ENDINGS: ReadonlyMap<string, EndedState> = new Map([
  ['stream_complete', 'completed'],
  ['stream_stopped', 'stopped'],
  ['stream_failed', 'failed'],
  ['stream_interrupted', 'interrupted'],
])

type Answer = Pick<MessageRow, 'status' | 'content' | 'tokens' | 'model' | 'usage'>

export interface Admission<T> {
  /** The answer when this message was accepted before; null when it is new. */
  repeated(): T | null
  /** @throws AppError why it cannot be accepted, whatever the quota says */
  check(): ResolvedChoices
  /** Settles the turns that ended and were not told yet. */
  tell(): Promise<void>
  /** Accepts it, in one synchronous step that looks at everything again. @throws AppError */
  accept(): T
}

export class TurnQuota {
  readonly #deps: Pick<ConversationDeps, 'fresh' | 'quota' | 'agents' | 'settings' | 'report'>
  readonly #history: History
  readonly #log: LogReader
  /** The last message of each author that waits for its reservation. */
  readonly #lines = new Map<string, Promise<unknown>>()

  constructor(
    deps: Pick<ConversationDeps, 'fresh' | 'quota' | 'agents' | 'settings' | 'report'>,
    history: History,
    log: LogReader,
  ) {
    this.#deps = deps
    this.#history = history
    this.#log = log
  }

  /**
   * Accepts a message once it is known that turns are not paused, and it is reserved; at once for an author whose turns
   * nobody counts.
   */
  admit<T>(author: Principal, input: ChatInput, steps: Admission<T>): T | Promise<T> {
    const isCounted = this.#deps.quota.counts(author)
    const fresh = this.#deps.fresh()
    const line = this.#lines.get(author.userId)
    if (!isCounted && !fresh && !line) return steps.accept()
    const run = async (): Promise<T> => {
      if (isCounted) return await this.#reserved(author, input, steps, fresh)
      await fresh
      return steps.accept()
    }
    const mine = line ? line.then(run, run) : run()
    this.#lines.set(author.userId, mine)
    const leave = (): void => {
      if (this.#lines.get(author.userId) === mine) this.#lines.delete(author.userId)
    }
    mine.then(leave, leave)
    return mine
  }

  /** @param fresh what is known of pauses is renewed beside the reservation */
  async #reserved<T>(
    author: Principal,
    input: ChatInput,
    steps: Admission<T>,
    fresh: Promise<void> | undefined,
  ): Promise<T> {
    const known = steps.repeated()
    if (known !== null) return known
    const { parent, model, agentId } = steps.check()
    const { quota, agents, settings } = this.#deps
    const key = turnKeyOf(this.#history.conversation.id, author.ownerId && author.userId, input.id)
    const estimate = {
      model,
      inputTokens: estimateOf(agents.get(agentId), settings, input.content, this.#pathTokens(parent)),
      outputTokens: settings.answerTokens,
    }
    let refusal = await quota.reserve(author, key, estimate)
    if (refusal?.code === 'quota_exceeded' && this.#history.delivered < this.#history.seq) {
      // Turns that ended a moment ago may still be held as if they ran, or as if they had used what was expected.
      await steps.tell()
      refusal = await quota.reserve(author, key, estimate)
    }
    if (refusal) throw AppError.fromShape(refusal)
    try {
      if (fresh) await fresh
      return steps.accept()
    } catch (error) {
      // What was true before may have changed meanwhile: a full queue, a removed member.
      await this.#release(author, key)
      throw error
    }
  }

  /**
   * Reserves for a turn that is to go on after its end. Again for the same end: the same reservation.
   *
   * @throws AppError `quota_exceeded`
   */
  async reserveAgain(author: Principal, turn: TurnRow, tell: () => Promise<void>): Promise<void> {
    const { quota, settings } = this.#deps
    const key = this.#nextRunKey(author, turn)
    if (key === null) return
    const estimate = {
      model: turn.model,
      inputTokens: this.#inputTokens(turn) + (this.#log.message(turn.number)?.tokens ?? 0),
      outputTokens: settings.answerTokens,
    }
    let refusal = await quota.reserve(author, key, estimate)
    if (refusal?.code === 'quota_exceeded' && this.#history.delivered < this.#history.seq) {
      await tell()
      refusal = await quota.reserve(author, key, estimate)
    }
    if (refusal) throw AppError.fromShape(refusal)
  }

  /** Gives back what {@link reserveAgain} reserved: the turn does not go on. */
  async releaseAgain(author: Principal, turn: TurnRow): Promise<void> {
    const key = this.#nextRunKey(author, turn)
    if (key !== null) await this.#release(author, key)
  }

  /**
   * Turns that ended after `delivered`, and how far the log was read for them.
   */
  endedAfter(delivered: number): { usage: TurnUsage[]; upTo: number } {
    const events = this.#log.eventsAfter(delivered, EVENTS_AT_A_TIME)
    const usage = events.flatMap((event) => {
      const { type, subject, seq, at } = event
      const status = ENDINGS.get(type)
      if (subject === null || status === undefined) return []
      const turn = this.#log.turn(subject)
      const answer = this.#log.message(subject)
      if (!turn || !answer) return []
      const then = endingOf(event)
      return this.#usageOf(turn, then ? asOf(answer, status, then) : answer, seq, at, then)
    })
    const upTo = events.length < EVENTS_AT_A_TIME ? this.#history.seq : (events.at(-1)?.seq ?? delivered)
    return { usage, upTo }
  }

  /**
   * The same for a conversation that goes away: all of it, with the turns that will never end.
   *
   * @param textOf what is stored of what the newest run of a turn said
   */
  atRemoval(now: number, textOf: (turn: TurnRow) => string): TurnUsage[] {
    const usage: TurnUsage[] = []
    let { delivered } = this.#history
    while (delivered < this.#history.seq) {
      const step = this.endedAfter(delivered)
      usage.push(...step.usage)
      delivered = step.upTo
    }
    let { seq } = this.#history
    for (const turn of this.#history.openTurns()) {
      const content = textOf(turn)
      const answer = { status: 'stopped', content, tokens: estimateTokenCount(content) } as const
      const run = turn.resumedAttempt
      const then = { length: 0, waited: !hasBegun(turn), ...(run !== null && { run }) }
      usage.push(...this.#usageOf(turn, { ...answer, model: null, usage: null }, ++seq, now, then))
    }
    return usage
  }

  #usageOf(
    turn: TurnRow,
    answer: Answer,
    seq: number,
    at: number,
    then: EndingData | null = null,
  ): TurnUsage[] {
    const asked = this.#log.message(turn.askedBy)
    if (!asked || asked.authorId === null || asked.clientId === null) return []
    // A stopped call was paid for even if it had said nothing; one that failed before its first word was not.
    const stopped = answer.status === 'stopped' && turn.attempts > 0 && !then?.waited
    const wasUsed = answer.usage !== null || answer.content !== '' || stopped || answer.status === 'completed'
    const { inputTokens, outputTokens } =
      answer.usage ??
      (wasUsed
        ? { inputTokens: this.#inputTokens(turn), outputTokens: answer.tokens }
        : { inputTokens: 0, outputTokens: 0 })
    const clientId = then?.run === undefined ? asked.clientId : runKeyOf(asked.clientId, then.run)
    return [
      {
        userId: asked.authorId,
        payerId: turn.payerId,
        turnKey: turnKeyOf(this.#history.conversation.id, turn.payerId && asked.authorId, clientId),
        conversationId: this.#history.conversation.id,
        agentId: turn.agentId,
        model: answer.model ?? turn.model,
        at,
        seq: this.#placeOf(seq),
        messages: wasUsed ? 1 : 0,
        inputTokens: inputTokens + (then?.lost?.inputTokens ?? 0),
        outputTokens: outputTokens + (then?.lost?.outputTokens ?? 0),
      },
    ]
  }

  /**
   * Where an event stands among all of this id: a conversation that was deleted can be made again under the same key, and
   * begins at 1, while the ledger remembers how far it has counted. No log grows by so many events in a millisecond.
   */
  #placeOf(seq: number): number {
    return (this.#history.conversation.createdAt - PLACES_SINCE) * PLACES_PER_MS + seq
  }

  /** Of the way from what a message answers back to the root. An answer that is not written yet counts as it is reserved. */
  #pathTokens(parent: number | null): number {
    const { answerTokens, contextTokens } = this.#deps.settings
    let tokens = 0
    let number = parent
    for (let open = this.#openTurn(number); open; open = this.#openTurn(number)) {
      tokens += answerTokens
      number = this.#log.message(open.askedBy)?.parent ?? null
      if (tokens > contextTokens) return contextTokens
    }
    return number === null ? tokens : tokens + this.#log.tokensOfPath(number, contextTokens)
  }

  /** Estimated tokens that a call for this turn reads. */
  #inputTokens(turn: TurnRow): number {
    const { agents, settings } = this.#deps
    const agent = agents.get(turn.agentId)
    return agent.instructionTokens + this.#log.tokensOfPath(turn.askedBy, historyTokens(agent, settings))
  }

  #openTurn(number: number | null): TurnRow | undefined {
    return number === null ? undefined : this.#history.openTurn(number)
  }

  /** Under which a run after this end is reserved; null for an author whose turns nobody counts. */
  #nextRunKey(author: Principal, turn: TurnRow): string | null {
    const clientId = this.#log.message(turn.askedBy)?.clientId
    if (!clientId || !this.#deps.quota.counts(author)) return null
    const runKey = runKeyOf(clientId, turn.attempts)
    return turnKeyOf(this.#history.conversation.id, author.ownerId && author.userId, runKey)
  }

  async #release(author: Principal, key: string): Promise<void> {
    try {
      await this.#deps.quota.release(author, key)
    } catch (error) {
      const { id: conversationId } = this.#history.conversation
      this.#deps.report('reservation_not_released', error, { conversationId })
    }
  }
}

/**
 * Reserves the first message of a conversation that is not there yet.
 *
 * @throws AppError `quota_exceeded`, and nothing was created
 */
export async function reserveFirst(
  { quota, agents, settings, model }: Pick<ConversationDeps, 'quota' | 'agents' | 'settings' | 'model'>,
  author: Principal,
  conversationId: string,
  input: ChatInput,
): Promise<void> {
  if (!quota.counts(author)) return
  const agent = agents.get(input.agentId ?? DEFAULT_AGENT)
  const refusal = await quota.reserve(
    author,
    turnKeyOf(conversationId, author.ownerId && author.userId, input.id),
    {
      model: input.model ?? agent.model ?? model.defaultModel,
      inputTokens: estimateOf(agent, settings, input.content, 0),
      outputTokens: settings.answerTokens,
    },
  )
  if (refusal) throw AppError.fromShape(refusal)
}

function estimateOf(
  agent: Agent,
  settings: ConversationDeps['settings'],
  content: string,
  path: number,
): number {
  return (
    agent.instructionTokens + Math.min(historyTokens(agent, settings), path + estimateTokenCount(content))
  )
}

/** An answer as it was when it ended: it may have gone on since, and an earlier run is counted for itself. */
function asOf(answer: MessageRow, status: EndedState, then: EndingData): Answer {
  const content = answer.content.slice(then.from ?? 0, then.length)
  const written = Math.max(0, estimateTokenCount(content) - (then.lost?.outputTokens ?? 0))
  // Of an answer whose every attempt died, what was lost is all that there was.
  const hasDied = then.lost !== undefined && (status === 'interrupted' || then.waited)
  const usage = then.usage ?? (hasDied ? { inputTokens: 0, outputTokens: 0 } : null)
  return { status, content, tokens: written, model: answer.model, usage }
}

/** Under which a run is reserved that goes on after an end. */
function runKeyOf(clientId: string, attemptsBefore: number): string {
  return `${clientId}~${attemptsBefore}`
}

/**
 * The same for a repeat of the same message, and of no other in the limiter that it is reserved with: there is one for each
 * person, who shares it with the machines that draw on it.
 */
function turnKeyOf(conversationId: string, machine: string | null | undefined, clientId: string): string {
  return machine ? `${conversationId}/${machine}/${clientId}` : `${conversationId}/${clientId}`
}
