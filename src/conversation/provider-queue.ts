/**
 * The conversation's side of the queue in front of a provider with limits: it asks for a place for the turn that is next,
 * hears where that stands, and keeps the place while the turn runs. The turn stays `queued` in the rows meanwhile.
 *
 * Nothing here is stored: after a restart the next turn asks again, and the queue knows it. What runs, and what waits
 * behind it, is the runner's.
 */
import type { AdmissionQueue, Grant, QueueEntry, QueueNews } from '../admission/admission.ts'
import { AppError } from '../errors.ts'
import type { TurnRow } from './events.ts'

/** A place is kept by saying so three times within the time for which it is given. */
const RENEWALS_PER_LEASE = 3
/** The queue ends a wait itself; this long after that it has failed to. */
const OVERDUE_MS = 5_000
/** How soon a queue that cannot be reached is asked again, ms. */
const ASK_AGAIN_MS = 1_000
/** How often a turn that waits looks whether it still waits for the right provider, ms. */
const REVIEW_MS = 1_000

export interface ProviderQueueDeps {
  readonly admission: AdmissionQueue
  readonly conversationId: string
  /** How long a turn waits at most, ms. */
  readonly timeoutMs: number
  now(): number
  after(ms: number, run: () => void): () => void
  /** Who asks for it, and how much it is expected to use. */
  describe(turn: TurnRow): Pick<QueueEntry, 'userId' | 'tokens'>
  /** Whether it goes on with text that it has. */
  goesOn(turn: TurnRow): boolean
  /** Waits until what `admission.queueOf` goes by is at most a second old; undefined when it is. */
  fresh(): Promise<void> | undefined
  /** Whether the turn needs no provider after all. Never fails. */
  isAnswered(turn: TurnRow): Promise<boolean> | false
  /** The turn that waited does so no more, for its provider is not the one to wait for: it is to be looked after anew. */
  needless(): void
  /** The turn has a place, or needs none (null). @returns whether it starts now; otherwise the place is given back */
  granted(turn: TurnRow, grant: Grant | null): boolean
  /** Where the turn stands has changed. */
  moved(): void
  /** The turn waits no more. */
  refused(turn: TurnRow, error: AppError): void
  report(event: string, error: unknown): void
}

interface Asked {
  readonly turn: TurnRow
  readonly provider: string
  readonly deadline: number
  place: { readonly position: number; readonly etaMs: number | null } | null
  isEntering: boolean
  /** Whether the queue may know of it. */
  hasEntered: boolean
  cancelTimer: () => void
}

export class ProviderQueue {
  readonly #deps: ProviderQueueDeps
  #asked: Asked | null = null
  /** The place of the turn that runs. */
  #held: Grant | null = null
  /** A turn that waits on elsewhere: its time is not begun anew. */
  #moved: (Pick<TurnRow, 'number' | 'resumedAt'> & { readonly deadline: number }) | null = null
  /** A turn that is being taken out of the queue. */
  #leaving: { readonly number: number; readonly done: Promise<void> } | null = null

  constructor(deps: ProviderQueueDeps) {
    this.#deps = deps
  }

  /** Whether a turn of this model has to ask at all; reads memory only. @param goesOn with text that it has */
  needs(model: string, goesOn: boolean): boolean {
    return this.#deps.admission.queueOf(model, goesOn) !== null
  }

  /** Where the turn stands, if it is the one that waits here and that is known. */
  placeOf(number: number): { readonly position: number; readonly etaMs: number | null } | null {
    return this.#asked?.turn.number === number ? this.#asked.place : null
  }

  /** Asks for a place for this turn, instead of any other. */
  ask(turn: TurnRow): void {
    if (this.#asked?.turn.number === turn.number) return
    this.leave()
    const provider = this.#queueOf(turn)
    if (provider === null) return
    const isMoved = this.#moved?.number === turn.number && this.#moved.resumedAt === turn.resumedAt
    const moved = isMoved ? this.#moved : null
    const deadline = moved?.deadline ?? this.#deps.now() + this.#deps.timeoutMs
    const cancelTimer = (): void => undefined
    const isEntering = false
    const asked: Asked = { turn, provider, deadline, place: null, isEntering, hasEntered: false, cancelTimer }
    this.#asked = asked
    void this.#enter(asked)
  }

  /** Whether a turn waits here. */
  get isWaiting(): boolean {
    return this.#asked !== null
  }

  /** From time to time: asks again how the turn stands, in case that the queue could not tell, and ends a wait that is over. */
  look(): void {
    const asked = this.#asked
    if (!asked) return
    if (this.#deps.now() < asked.deadline + OVERDUE_MS) return void this.#enter(asked)
    this.leave()
    this.#deps.refused(asked.turn, timedOut())
  }

  /** Nothing waits any more. @param number only if it is this turn that waits */
  leave(number = this.#asked?.turn.number): void {
    if (this.#asked?.turn.number !== number) return
    const asked = this.#forget()
    if (asked) this.#leave(asked.provider, asked.turn.number)
  }

  /** A place that an earlier process may have had for this turn is free at once, and not only when its lease is over. */
  freePlaceOf(turn: TurnRow): void {
    const provider = this.#queueOf(turn)
    if (provider !== null) this.#leave(provider, turn.number)
  }

  /** @returns whether a place that is given is used */
  news(number: number, news: QueueNews): boolean {
    const asked = this.#asked
    // A place may be given twice; whatever else is said of a turn that does not wait has been seen to.
    if (asked?.turn.number !== number) return news.state !== 'granted' || news.grantId === this.#held?.grantId
    switch (news.state) {
      case 'granted':
        // It has left that queue.
        if (news.provider !== asked.provider) return false
        if (!this.#isOfUse(asked)) {
          this.#move(asked)
          return false
        }
        this.#forget()
        return this.#deps.granted(asked.turn, news)
      case 'waiting':
        asked.place = { position: news.position, etaMs: news.etaMs }
        this.#deps.moved()
        return true
      case 'full':
      case 'timed_out':
        this.#forget()
        this.#deps.refused(asked.turn, news.state === 'full' ? full() : timedOut())
        return true
    }
  }

  /**
   * Keeps a place while its turn runs.
   *
   * @returns gives it back, once, with the tokens that were used
   */
  keep(grant: Grant): (usedTokens: number) => void {
    const { admission, conversationId } = this.#deps
    this.#held = grant
    let isKept = true
    let cancel: () => void = () => undefined
    const renewLater = (): void => {
      cancel = this.#deps.after(grant.leaseMs / RENEWALS_PER_LEASE, () => {
        void renew()
      })
    }
    const renew = async (): Promise<void> => {
      let renewed = true
      try {
        renewed = await admission.renew(grant, conversationId)
      } catch (error) {
        this.#deps.report('lease_not_renewed', error)
      }
      // Taken away: whoever has it now may be called beside us, which is better than cutting an answer.
      if (isKept && renewed) renewLater()
    }
    renewLater()
    return (usedTokens) => {
      if (!isKept) return
      isKept = false
      this.#held = null
      cancel()
      this.#release(grant, usedTokens)
    }
  }

  #leave(provider: string, number: number): void {
    const { admission, conversationId } = this.#deps
    const done = admission
      .leave({ provider, conversationId, turn: number })
      .catch((error: unknown) => this.#deps.report('queue_not_left', error))
      .finally(() => {
        if (this.#leaving?.done === done) this.#leaving = null
      })
    this.#leaving = { number, done }
  }

  async #enter(asked: Asked): Promise<void> {
    if (asked.isEntering) return
    const { turn, provider, deadline } = asked
    const { admission, conversationId } = this.#deps
    asked.isEntering = true
    asked.cancelTimer()
    try {
      const isAnswered = this.#deps.isAnswered(turn)
      if (isAnswered !== false && (await isAnswered)) {
        if (this.#asked !== asked) return
        if (asked.hasEntered) this.leave()
        else this.#forget()
        this.#deps.granted(turn, null)
        return
      }
      // Otherwise its leaving might come after its entering, and take the new place away.
      if (this.#leaving?.number === turn.number) await this.#leaving.done
      if (this.#asked !== asked) return
      const { priority, createdAt } = turn
      const since = turn.resumedAt ?? createdAt
      const about = { provider, conversationId, turn: turn.number, priority, since, deadline }
      asked.hasEntered = true
      const answer = await admission.enter({ ...about, ...this.#deps.describe(turn) })
      asked.isEntering = false
      const isUsed =
        this.#asked === asked
          ? this.news(turn.number, answer)
          : // The queue may have told of the same place meanwhile, and the turn runs in it.
            answer.state !== 'granted' || answer.grantId === this.#held?.grantId
      if (answer.state === 'granted' && !isUsed) this.#release(answer, 0)
      if (this.#asked === asked) this.#reviewLater(asked)
    } catch (error) {
      asked.isEntering = false
      this.#deps.report('queue_unreachable', error)
      if (this.#asked !== asked) return
      if (this.#deps.now() >= deadline) {
        this.#forget()
        this.#deps.refused(turn, timedOut())
      } else asked.cancelTimer = this.#deps.after(ASK_AGAIN_MS, () => void this.#review(asked, true))
    }
  }

  #reviewLater(asked: Asked): void {
    asked.cancelTimer = this.#deps.after(REVIEW_MS, () => void this.#review(asked, false))
  }

  /** Whoever waits for a provider that has gone down, or was paused, waits for another, or for nobody. */
  async #review(asked: Asked, enters: boolean): Promise<void> {
    await this.#deps.fresh()
    if (this.#asked !== asked) return
    if (this.#queueOf(asked.turn) !== asked.provider) this.#move(asked)
    else if (enters) void this.#enter(asked)
    else this.#reviewLater(asked)
  }

  #move({ turn, deadline }: Asked): void {
    this.leave()
    this.#moved = { number: turn.number, resumedAt: turn.resumedAt, deadline }
    this.#deps.needless()
  }

  #queueOf(turn: TurnRow): string | null {
    return this.#deps.admission.queueOf(turn.model, this.#deps.goesOn(turn))
  }

  #isOfUse({ turn, provider }: Asked): boolean {
    return this.#deps.admission.isOfUse(provider, turn.model, this.#deps.goesOn(turn))
  }

  #forget(): Asked | null {
    const asked = this.#asked
    this.#asked = null
    asked?.cancelTimer()
    return asked
  }

  #release(grant: Grant, usedTokens: number): void {
    const { admission, conversationId } = this.#deps
    admission
      .release(grant, conversationId, usedTokens)
      .catch((error: unknown) => this.#deps.report('place_not_given_back', error))
  }
}

function full(): AppError {
  return new AppError('queue_full', 'Too many messages are waiting for the model provider; try again soon.')
}

function timedOut(): AppError {
  return new AppError(
    'queue_timeout',
    'The model provider was busy for too long. Nothing was lost: try again.',
  )
}
