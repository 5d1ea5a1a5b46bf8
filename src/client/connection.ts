/**
 * One open conversation: its state, its link, and what a person can do in it. It joins the pure parts (state, pending
 * messages) to the moving ones (link, outbox) and tells subscribers when anything changed; each of them decides for
 * itself. `snapshot` is a new object after each change and never changes afterwards.
 */
import type { FrameOf, ServerFrame } from '../protocol/server-frames.ts'
import type { Api } from './api.ts'
import { applyFrame } from './apply-frame.ts'
import { joinRequest, newConversationState, type ConversationState } from './conversation-state.ts'
import type { Cancel, Environment, KeyValueStore } from './environment.ts'
import { LinkKeeper, type LinkStatus } from './link-keeper.ts'
import { Outbox } from './outbox.ts'
import { ParleyError } from './parley-error.ts'
import { loadPending, savePending } from './pending-store.ts'
import * as local from './pending.ts'
import type { UnknownEvent } from './server-frame-parser.ts'

export interface ConversationSnapshot {
  readonly state: ConversationState
  readonly status: LinkStatus
  readonly loadingOlder: boolean
}

export interface ConnectionDeps {
  readonly env: Environment
  readonly api: Api
  /** Where unacknowledged messages outlive a reload. */
  readonly pendingStore: KeyValueStore
}

/** "Typing" is said at most this often; what is not said again for {@link TYPING_LASTS_MS} is over. */
const TYPING_EVERY_MS = 3_000
const TYPING_LASTS_MS = 7_000

/** Joins in a row that brought nothing new, before giving up: a resume, a fresh page, and once more of each. */
const MAX_FUTILE_JOINS = 4

export class ConversationConnection {
  readonly id: string
  readonly #deps: ConnectionDeps
  readonly #keeper: LinkKeeper
  readonly #outbox: Outbox
  readonly #listeners = new Set<() => void>()
  readonly #typists = new Map<string, Cancel>()
  #snapshot: ConversationSnapshot
  /** Where the last gap was found, and how many joins since then did not get beyond it. */
  #gapAt = -1
  #futileJoins = 0
  /** What waits is sent once the replay has come this far, since it may hold it. */
  #sendFrom = Number.POSITIVE_INFINITY
  #typingSaidAt = 0

  constructor(id: string, deps: ConnectionDeps) {
    this.id = id
    this.#deps = deps
    const pending = loadPending(deps.pendingStore, id)
    const state: ConversationState = { ...newConversationState, pending }
    this.#snapshot = { state, status: { state: 'connecting' }, loadingOlder: false }
    this.#keeper = new LinkKeeper(deps.env, deps.api, id, {
      joinText: () => this.#joinText(),
      frame: (frame) => this.#frame(frame),
      status: (status) => this.#status(status),
    })
    this.#outbox = new Outbox(deps.env, deps.api, id, {
      waiting: () => this.#snapshot.state.pending.filter((sent) => sent.state === 'waiting'),
      isLinked: () => this.#keeper.status.state === 'open',
      sendText: (text) => void this.#keeper.send(text),
      sending: (sent) => this.#change(local.markSending(this.#snapshot.state, sent)),
      accepted: (frame) => this.#accepted(frame),
      failed: (sent, error) => this.#failed(sent, error),
    })
  }

  get snapshot(): ConversationSnapshot {
    return this.#snapshot
  }

  subscribe(listener: () => void): Cancel {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  open(): void {
    this.#keeper.start()
  }

  /** Leaves. Nothing that runs is stopped by it (rule T1). */
  close(): void {
    this.#keeper.close()
    this.#outbox.cancelTimers()
    for (const cancel of this.#typists.values()) cancel()
  }

  /** Tries at once instead of waiting, also after having given up. */
  retryNow(): void {
    this.#gapAt = -1
    this.#futileJoins = 0
    this.#keeper.retryNow()
  }

  /** Call when the same person has another token than before, such as a guest who has registered. */
  authenticate(): void {
    void this.#keeper.authenticate()
  }

  /** Shows the message as pending and sends it as soon as there is a link. @returns its client id */
  send(content: string): string {
    const id = this.#deps.env.newId()
    const createdAt = new Date(this.#deps.env.now()).toISOString()
    this.#change(local.addPending(this.#snapshot.state, { id, content, createdAt, state: 'waiting' }))
    this.#typingSaidAt = 0
    this.#flush()
    return id
  }

  /** Sends a failed message again, with the same id: should it have arrived, it stays one message (rule I3). */
  retry(id: string): void {
    this.#change(local.markWaiting(this.#snapshot.state, id))
    this.#flush()
  }

  /** Takes back a message that has not been sent, or was refused. */
  discard(id: string): void {
    this.#change(local.removePending(this.#snapshot.state, id))
  }

  async stop(turnId: string): Promise<void> {
    if (this.#keeper.send(JSON.stringify({ type: 'stop_stream', turnId }))) return
    await this.#deps.api.stopTurn(this.id, turnId)
  }

  /** Has an answer go on whose error is `continuable`: the same message grows. A refusal on the link is a notice. */
  async continueTurn(turnId: string): Promise<void> {
    if (this.#keeper.send(JSON.stringify({ type: 'continue_turn', turnId }))) return
    await this.#deps.api.continueTurn(this.id, turnId)
  }

  /** Call on each key stroke; `false` when the input was emptied or left. */
  typing(active: boolean): void {
    const now = this.#deps.env.now()
    if (active ? now - this.#typingSaidAt < TYPING_EVERY_MS : this.#typingSaidAt === 0) return
    if (this.#keeper.send(JSON.stringify({ type: 'typing', active }))) this.#typingSaidAt = active ? now : 0
  }

  dismissNotice(): void {
    this.#change({ ...this.#snapshot.state, notice: null })
  }

  /**
   * Reads the page before the oldest message; does nothing when there is none, or one is under way.
   *
   * @throws ParleyError
   */
  async loadOlder(): Promise<void> {
    const { before } = this.#snapshot.state
    if (before === null || this.#snapshot.loadingOlder) return
    this.#set({ loadingOlder: true })
    try {
      const page = await this.#deps.api.listMessages(this.id, { before })
      this.#change(local.addOlderPage(this.#snapshot.state, page, before))
    } finally {
      this.#set({ loadingOlder: false })
    }
  }

  #joinText(): string {
    this.#sendFrom = Number.POSITIVE_INFINITY
    return JSON.stringify(joinRequest(this.#snapshot.state, this.#futileJoins % 2 === 1))
  }

  #frame(frame: ServerFrame | UnknownEvent): void {
    if (frame.type === 'conversation_joined') this.#sendFrom = frame.seq
    if (frame.type === 'typing') this.#expireTypist(frame)
    const before = this.#snapshot.state
    this.#change(applyFrame(before, frame))
    const after = this.#snapshot.state
    if (after.phase === 'deleted') this.#keeper.close('deleted')
    else if (after.needsRejoin && !before.needsRejoin) this.#rejoin()
    else if (after.seq >= this.#sendFrom) this.#flush()
  }

  /** A server that lets us join and still leaves gaps must not be asked for ever. */
  #rejoin(): void {
    const { seq } = this.#snapshot.state
    this.#futileJoins = seq > this.#gapAt ? 0 : this.#futileJoins + 1
    this.#gapAt = seq
    if (this.#futileJoins < MAX_FUTILE_JOINS) return this.#keeper.rejoin()
    const detail = 'The conversation could not be followed. Reload the page, or try again later.'
    this.#keeper.fail(new ParleyError({ code: 'bad_answer', detail, retryable: true }))
  }

  #status(status: LinkStatus): void {
    this.#set({ status })
    if (status.state === 'open') return
    this.#outbox.cancelTimers()
    this.#typingSaidAt = 0
    this.#change(local.linkLost(this.#snapshot.state))
  }

  #flush(): void {
    void this.#outbox.flush()
  }

  #accepted(frame: FrameOf<'message_accepted'>): void {
    this.#change(applyFrame(this.#snapshot.state, frame))
  }

  #failed(id: string, error: ParleyError): void {
    const sent = this.#snapshot.state.pending.find((other) => other.id === id)
    if (sent?.state === 'sending')
      this.#change(local.markFailed(this.#snapshot.state, id, error.toTurnError()))
  }

  #expireTypist({ userId, name, active }: FrameOf<'typing'>): void {
    this.#typists.get(userId)?.()
    this.#typists.delete(userId)
    if (!active) return
    const over = () =>
      this.#change(applyFrame(this.#snapshot.state, { type: 'typing', userId, name, active: false }))
    this.#typists.set(userId, this.#deps.env.after(TYPING_LASTS_MS, over))
  }

  #change(state: ConversationState): void {
    const { pending } = this.#snapshot.state
    if (state === this.#snapshot.state) return
    this.#set({ state })
    if (state.pending !== pending) savePending(this.#deps.pendingStore, this.id, state.pending)
  }

  #set(change: Partial<ConversationSnapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change }
    for (const listener of this.#listeners) listener()
  }
}
