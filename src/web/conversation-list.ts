/**
 * The list at the left: newest activity first, read page by page, kept in step with what happens here and in other tabs.
 * It knows nothing of the open conversation; `app-model.ts` tells it what was seen there.
 */
import type { Parley } from '../client/index.ts'
import { ParleyError } from '../client/index.ts'
import type { ConversationPage } from '../protocol/http.ts'
import type { Conversation } from '../protocol/message.ts'
import { Store } from './store.ts'

export interface ListSnapshot {
  readonly conversations: readonly Conversation[]
  /** Whether there may be more; null until the first page is here. */
  readonly more: boolean | null
  readonly loading: boolean
  readonly error: ParleyError | null
}

/** Coming back to the page reads the list again, but not more often than this. */
const REFRESH_EVERY_MS = 5_000

export class ConversationList extends Store<ListSnapshot> {
  readonly #parley: Parley
  readonly #tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('parley.list')
  #cursor: string | null = null
  #readAt = 0
  /** Rises when the list becomes another person's: what was asked for before is not theirs. */
  #generation = 0

  constructor(parley: Parley) {
    super({ conversations: [], more: null, loading: false, error: null })
    this.#parley = parley
    this.#tabs?.addEventListener('message', () => void this.refresh())
    document.addEventListener('visibilitychange', () => {
      const isDue = this.#readAt > 0 && Date.now() - this.#readAt > REFRESH_EVERY_MS
      if (document.visibilityState === 'visible' && isDue) void this.refresh()
    })
  }

  /** Reads the newest page again. */
  async refresh(): Promise<void> {
    await this.#read(undefined)
  }

  async loadMore(): Promise<void> {
    if (this.#cursor !== null && !this.snapshot.loading) await this.#read(this.#cursor)
  }

  find(id: string): Conversation | undefined {
    return this.snapshot.conversations.find((conversation) => conversation.id === id)
  }

  /** Puts in what is known better than the list knows it. Activity only ever moves forward. */
  upsert(conversation: Conversation): void {
    const held = this.find(conversation.id)
    const { lastActivityAt } = conversation
    const isOlder = held !== undefined && held.lastActivityAt > lastActivityAt
    // What everyone is told does not say what one is oneself.
    const role = conversation.role ?? held?.role
    this.#replace([
      ...this.#without(conversation.id),
      {
        ...conversation,
        ...(role !== undefined && { role }),
        ...(isOlder && { lastActivityAt: held.lastActivityAt }),
      },
    ])
  }

  touch(id: string, at: string): void {
    const held = this.find(id)
    if (held && held.lastActivityAt < at) this.upsert({ ...held, lastActivityAt: at })
  }

  remove(id: string): void {
    this.#replace(this.#without(id))
  }

  /** Forgets everything: somebody else sits here now, or nobody. */
  clear(): void {
    this.#generation++
    this.#readAt = 0
    this.#cursor = null
    this.set({ conversations: [], more: null, loading: false, error: null })
  }

  /** Other tabs read their lists again. */
  tellTabs(): void {
    this.#tabs?.postMessage('changed')
  }

  async #read(cursor: string | undefined): Promise<void> {
    const generation = this.#generation
    this.set({ loading: true })
    try {
      const page = await this.#parley.api.listConversations(cursor === undefined ? {} : { cursor })
      if (generation !== this.#generation) return
      this.#readAt = Date.now()
      this.#merge(page, cursor === undefined)
      this.set({ loading: false, error: null })
    } catch (error) {
      if (generation !== this.#generation) return
      this.set({ loading: false, error: ParleyError.from(error) })
    }
  }

  #merge(page: ConversationPage, isNewest: boolean): void {
    const { conversations } = this.snapshot
    const fresh = new Set(page.conversations.map((conversation) => conversation.id))
    const oldest = page.conversations.at(-1)?.lastActivityAt ?? ''
    // What lies within the span of the newest page and is not on it was deleted elsewhere.
    const kept = conversations.filter((held) => {
      const isBeyond = !isNewest || (page.next !== null && held.lastActivityAt < oldest)
      return !fresh.has(held.id) && isBeyond
    })
    if (!isNewest || kept.length === 0) this.#cursor = page.next
    this.#replace([...page.conversations, ...kept])
  }

  #without(id: string): Conversation[] {
    return this.snapshot.conversations.filter((conversation) => conversation.id !== id)
  }

  #replace(conversations: readonly Conversation[]): void {
    const newestFirst = conversations.toSorted((a, b) => (a.lastActivityAt < b.lastActivityAt ? 1 : -1))
    this.set({ conversations: newestFirst, more: this.#cursor !== null })
  }
}
