/**
 * What the page as a whole does: which conversation is open, starting, renaming and deleting one, and telling what went
 * wrong. Components call it and show its snapshot; the protocol and its state are the client library's.
 */
import type { ConversationConnection, Parley } from '../client/index.ts'
import { ParleyError } from '../client/index.ts'
import { ConversationList } from './conversation-list.ts'
import { errorText } from './error-text.ts'
import { onRouteChange, readRoute, writeRoute } from './route.ts'
import { Store } from './store.ts'

export interface AppSnapshot {
  /** Null: a new conversation, which exists once something is sent. */
  readonly room: ConversationConnection | null
  /** A conversation is being made for the first message. */
  readonly starting: boolean
  /** A sentence about what just went wrong, or null. */
  readonly toast: string | null
  readonly drawerOpen: boolean
}

export class AppModel extends Store<AppSnapshot> {
  readonly list: ConversationList
  readonly #parley: Parley
  #unsubscribe: () => void = () => {}

  constructor(parley: Parley) {
    super({ room: null, starting: false, toast: null, drawerOpen: false })
    this.#parley = parley
    this.list = new ConversationList(parley)
  }

  /** How others see who sits here; null until the server has given a name. */
  get userName(): string | null {
    return this.#parley.session.user?.name ?? null
  }

  start(): void {
    onRouteChange(() => this.#show(readRoute()))
    const id = readRoute()
    writeRoute(id, true)
    this.#show(id)
    void this.list.refresh()
  }

  /** Opens a conversation, or the empty page for a new one. */
  go(id: string | null): void {
    writeRoute(id)
    this.#show(id)
  }

  /** Makes a conversation and sends its first message. @returns false when it could not be made: keep the text */
  async startConversation(text: string): Promise<boolean> {
    if (this.snapshot.starting) return false
    this.set({ starting: true, toast: null })
    try {
      const conversation = await this.#parley.startConversation()
      this.list.upsert(conversation)
      this.list.tellTabs()
      // Who went elsewhere meanwhile stays there; the message is sent all the same.
      if (readRoute() === null) this.go(conversation.id)
      const room =
        this.snapshot.room?.id === conversation.id ? this.snapshot.room : this.#background(conversation.id)
      room.send(text)
      return true
    } catch (error) {
      this.#fail(error)
      return false
    } finally {
      this.set({ starting: false })
    }
  }

  async rename(id: string, title: string): Promise<void> {
    const held = this.list.find(id)
    if (held) this.list.upsert({ ...held, title })
    try {
      this.list.upsert(await this.#parley.api.renameConversation(id, title))
      this.list.tellTabs()
    } catch (error) {
      if (held) this.list.upsert(held)
      this.#fail(error)
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await this.#parley.api.deleteConversation(id)
    } catch (error) {
      // Somebody else was faster; what was wanted is so.
      if (ParleyError.from(error).code !== 'not_found') return this.#fail(error)
    }
    this.list.remove(id)
    this.list.tellTabs()
    if (this.snapshot.room?.id === id) this.go(null)
  }

  say(toast: string | null): void {
    this.set({ toast })
  }

  setDrawer(drawerOpen: boolean): void {
    this.set({ drawerOpen })
  }

  #show(id: string | null): void {
    const { room } = this.snapshot
    if ((room?.id ?? null) === id) return this.set({ drawerOpen: false })
    this.#unsubscribe()
    room?.close()
    const next = id === null ? null : this.#parley.connect(id)
    this.set({ room: next, toast: null, drawerOpen: false })
    if (!next) return
    this.#unsubscribe = next.subscribe(this.#follow(next))
    next.open()
  }

  /** Keeps the list in step with the open conversation. */
  #follow(room: ConversationConnection): () => void {
    let { conversation, messages, phase } = room.snapshot.state
    return () => {
      // A server that answers here will answer the list, too.
      const { error, loading } = this.list.snapshot
      if (error && !loading && room.snapshot.status.state === 'open') void this.list.refresh()
      const { state, status } = room.snapshot
      if (state.conversation && state.conversation !== conversation) this.list.upsert(state.conversation)
      const newest = state.messages.at(-1)
      if (newest && newest.id !== messages.at(-1)?.id) this.list.touch(room.id, newest.createdAt)
      const isGone = status.state === 'closed' && status.reason !== 'left'
      if (isGone || (state.phase === 'deleted' && phase !== 'deleted')) this.list.remove(room.id)
      ;({ conversation, messages, phase } = state)
    }
  }

  /** A room that only hands over a message, and closes when that is done. */
  #background(id: string): ConversationConnection {
    const room = this.#parley.connect(id)
    room.subscribe(() => {
      const { state, status } = room.snapshot
      if (status.state === 'open' && state.messages.length > 0 && state.pending.length === 0) room.close()
    })
    room.open()
    return room
  }

  #fail(error: unknown): void {
    this.set({ toast: errorText(ParleyError.from(error)) })
  }
}
