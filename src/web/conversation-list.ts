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

  constructor(parley: Parley) {
    super({ conversations: [], more: null, loading: false, error: null })
    this.#parley = parley
    this.#tabs?.addEventListener('message', () => void this.refresh())
    document.addEventListener('visibilitychange', () => {
      const isDue = Date.now() - this.#readAt > REFRESH_EVERY_MS
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
    this.#replace([
      ...this.#without(conversation.id),
      isOlder ? { ...conversation, lastActivityAt: held.lastActivityAt } : conversation,
    ])
  }

  touch(id: string, at: string): void {
    const held = this.find(id)
    if (held && held.lastActivityAt < at) this.upsert({ ...held, lastActivityAt: at })
  }

  remove(id: string): void {
    this.#replace(this.#without(id))
  }

  /** Other tabs read their lists again. */
  tellTabs(): void {
    this.#tabs?.postMessage('changed')
  }

  async #read(cursor: string | undefined): Promise<void> {
    this.set({ loading: true })
    try {
      const page = await this.#parley.api.listConversations(cursor === undefined ? {} : { cursor })
      this.#readAt = Date.now()
      this.#merge(page, cursor === undefined)
      this.set({ loading: false, error: null })
    } catch (error) {
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
