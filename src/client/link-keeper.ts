/**
 * Keeps one conversation's link alive: ticket → socket → join, and again when it is lost, sooner when the browser says
 * that it is worth it. It decides when to try, when to wait and when to give up; what is said over the link, and what it
 * means, is `connection.ts`.
 */
import type { ServerFrame } from '../protocol/server-frames.ts'
import type { Api } from './api.ts'
import { backoffMs } from './backoff.ts'
import type { Cancel, Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'
import type { UnknownEvent } from './server-frame-parser.ts'
import { SocketLink } from './socket-link.ts'

export type LinkStatus =
  | { readonly state: 'connecting' }
  /** Joined: what is shown is live. */
  | { readonly state: 'open' }
  /** `retryAt` is when the next attempt begins (ms since the epoch); null while one is under way. */
  | { readonly state: 'reconnecting' | 'offline'; readonly retryAt: number | null }
  /** Given up, because trying again would end the same; `retryNow` tries all the same. */
  | { readonly state: 'failed'; readonly error: ParleyError }
  | { readonly state: 'closed'; readonly reason: ClosedReason }

/** `removed`: the person was in it a moment ago, and is not any more. */
export type ClosedReason = 'left' | 'deleted' | 'not_found' | 'removed'

export interface LinkHandlers {
  /** The text of the frame that joins, as things stand now. */
  joinText(): string
  frame(frame: ServerFrame | UnknownEvent): void
  status(status: LinkStatus): void
}

/** A join that is not answered in this time counts as a lost link. */
const JOIN_TIMEOUT_MS = 10_000

/** An attempt that began before the machine slept may hang on a network that is gone: older than this, it is begun anew. */
const SLOW_ATTEMPT_MS = 3_000

/** A link that lasted this long after joining was good: the next loss starts again with short waits. */
const STABLE_AFTER_MS = 5_000

export class LinkKeeper {
  readonly #env: Environment
  readonly #api: Api
  readonly #conversationId: string
  readonly #on: LinkHandlers
  readonly #cancels: Cancel[] = []
  #status: LinkStatus = { state: 'connecting' }
  #link: SocketLink | null = null
  #cancelTimer: Cancel = () => {}
  #attempt = 0
  #everJoined = false
  #joinedAt: number | null = null
  #startedAt = 0
  /** Rises with each attempt, so that what an abandoned one still says is not heard. */
  #generation = 0

  constructor(env: Environment, api: Api, conversationId: string, handlers: LinkHandlers) {
    this.#env = env
    this.#api = api
    this.#conversationId = conversationId
    this.#on = handlers
  }

  get status(): LinkStatus {
    return this.#status
  }

  start(): void {
    this.#cancels.push(
      this.#env.onWake(() => this.#wake()),
      this.#env.onOffline(() => this.#offline()),
    )
    void this.#connect()
  }

  /** @returns false when there is no joined link to send on */
  send(text: string): boolean {
    if (this.#status.state !== 'open' || !this.#link) return false
    this.#link.send(text)
    return true
  }

  /** Shows who is here now, in place of a proof that has expired, or is about to be void. Nothing is joined anew. */
  async authenticate(): Promise<void> {
    const generation = this.#generation
    // Who cannot prove it is disconnected, and hears why when the link is made again.
    const token = await this.#api.accessToken().catch(() => null)
    if (token === null || generation !== this.#generation) return
    this.#link?.send(JSON.stringify({ type: 'authenticate', token }))
  }

  /** Joins again on the same socket (rule R8). */
  rejoin(): void {
    if (this.#status.state === 'open') this.#join()
  }

  /** Tries at once, also after having given up. */
  retryNow(): void {
    if (this.#status.state === 'closed' || this.#status.state === 'open') return
    this.#attempt = 0
    void this.#connect()
  }

  fail(error: ParleyError): void {
    this.#end({ state: 'failed', error })
  }

  close(reason: ClosedReason = 'left'): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#end({ state: 'closed', reason })
  }

  async #connect(): Promise<void> {
    const generation = this.#abandon()
    this.#startedAt = this.#env.now()
    this.#joinedAt = null
    const online = this.#env.isOnline()
    if (!online) this.#say({ state: 'offline', retryAt: null })
    else this.#say(this.#everJoined ? { state: 'reconnecting', retryAt: null } : { state: 'connecting' })

    try {
      const ticket = await this.#api.socketTicket()
      if (generation !== this.#generation) return
      this.#link = new SocketLink(this.#env, this.#api.socketUrl(this.#conversationId, ticket), {
        opened: () => this.#join(),
        frame: (frame) => this.#frame(frame),
        closed: ({ code, wasOpen }) => void this.#closed(code, wasOpen),
      })
    } catch (error) {
      if (generation === this.#generation) this.#unsuccessful(ParleyError.from(error))
    }
  }

  #join(): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#env.after(JOIN_TIMEOUT_MS, () => {
      this.#abandon()
      this.#wait()
    })
    this.#link?.send(this.#on.joinText())
  }

  #frame(frame: ServerFrame | UnknownEvent): void {
    if (frame.type === 'conversation_joined') {
      this.#cancelTimer()
      this.#everJoined = true
      this.#joinedAt = this.#env.now()
      this.#say({ state: 'open' })
    }
    if (frame.type === 'auth_required') void this.authenticate()
    this.#on.frame(frame)
  }

  async #closed(code: number, wasOpen: boolean): Promise<void> {
    const generation = this.#abandon()
    if (code === 4410) return this.close('deleted')
    if (code === 4404) return this.close('not_found')
    // Cut off, because what this person may do has changed: perhaps to nothing.
    const wasCut = code === 4403
    if (wasCut) this.#say({ state: 'reconnecting', retryAt: null })
    else if (wasOpen) {
      if (this.#joinedAt !== null && this.#env.now() - this.#joinedAt >= STABLE_AFTER_MS) this.#attempt = 0
      return this.#wait()
    }
    // A browser does not tell why a socket was refused. The same question over HTTP does.
    try {
      await this.#api.getConversation(this.#conversationId)
      if (generation === this.#generation) this.#wait()
    } catch (error) {
      if (generation !== this.#generation) return
      const refusal = ParleyError.from(error)
      if (wasCut && refusal.code === 'not_found') this.close('removed')
      else this.#unsuccessful(refusal)
    }
  }

  #unsuccessful(error: ParleyError): void {
    if (error.code === 'not_found' || error.code === 'conversation_deleted') this.close('not_found')
    else if (error.retryable) this.#wait(error.retryAfterMs)
    else this.fail(error)
  }

  #wait(atLeastMs = 0): void {
    const ms = Math.max(atLeastMs, backoffMs(this.#attempt++, this.#env.random()))
    this.#cancelTimer = this.#env.after(ms, () => void this.#connect())
    const retryAt = this.#env.now() + ms
    this.#say({ state: this.#env.isOnline() ? 'reconnecting' : 'offline', retryAt })
  }

  #wake(): void {
    if (this.#status.state === 'open') return this.#link?.probe()
    if (this.#status.state === 'failed') return
    const waits = 'retryAt' in this.#status && this.#status.retryAt !== null
    if (waits || this.#env.now() - this.#startedAt >= SLOW_ATTEMPT_MS) this.retryNow()
  }

  /** A hint, not a fact: a server on this machine is reachable without any network. So the link is asked. */
  #offline(): void {
    if (this.#status.state === 'open') this.#link?.probe()
    else if (this.#status.state === 'reconnecting') this.#say({ ...this.#status, state: 'offline' })
  }

  /** Whatever was under way does not count any more. */
  #abandon(): number {
    this.#cancelTimer()
    this.#link?.drop()
    this.#link = null
    return ++this.#generation
  }

  #end(status: LinkStatus): void {
    this.#abandon()
    this.#say(status)
  }

  #say(status: LinkStatus): void {
    if (this.#status.state === 'closed') return
    this.#status = status
    this.#on.status(status)
  }
}
