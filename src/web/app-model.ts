/**
 * What the page as a whole does: which view and which dialog are open, starting, renaming and deleting a conversation, and
 * telling what went wrong. Components call it and show its snapshot; the protocol and its state are the client library's,
 * and what follows when another person sits here is `person-watch.ts`.
 */
import type { ConversationConnection, Parley } from '../client/index.ts'
import { ParleyError } from '../client/index.ts'
import { ConversationList } from './conversation-list.ts'
import { errorText } from './error-text.ts'
import { watchPerson } from './person-watch.ts'
import { NEW, onRouteChange, readRoute, writeRoute, type Route } from './route.ts'
import { Store } from './store.ts'

export type OpenDialog =
  | {
      readonly kind:
        | 'sign-in'
        | 'register'
        | 'usage'
        | 'name'
        | 'password'
        | 'sessions'
        | 'keys'
        | 'webhooks'
        | 'export'
        | 'erase'
    }
  /** Of one conversation. */
  | { readonly kind: 'members' | 'share'; readonly id: string }

export interface AppSnapshot {
  readonly route: Route
  /** Null: a new conversation, which exists once something is sent; or another view. */
  readonly room: ConversationConnection | null
  readonly dialog: OpenDialog | null
  /** A conversation is being made for the first message. */
  readonly starting: boolean
  /** A sentence about what just went wrong, or null. */
  readonly toast: string | null
  readonly drawerOpen: boolean
}

export class AppModel extends Store<AppSnapshot> {
  readonly list: ConversationList
  readonly parley: Parley
  #unsubscribe: () => void = () => {}

  constructor(parley: Parley) {
    super({ route: NEW, room: null, dialog: null, starting: false, toast: null, drawerOpen: false })
    this.parley = parley
    this.list = new ConversationList(parley)
  }

  start(): void {
    onRouteChange(() => {
      // Going back leaves what was open over the page, too.
      this.closeDialog()
      this.show(readRoute())
    })
    watchPerson(this)
    const route = readRoute()
    writeRoute(route, true)
    this.show(route)
    // A stranger with an invitation says first who they want to be; asking anything would make a guest of them.
    const isAsked = route.view === 'invite' && this.parley.session.snapshot.state === 'none'
    if (!isAsked && this.parley.session.snapshot.state !== 'ended') void this.list.refresh()
  }

  /** Opens a conversation, or the empty page for a new one. */
  go(id: string | null): void {
    this.visit({ view: 'chat', id })
  }

  visit(route: Route, replace = false): void {
    writeRoute(route, replace)
    this.show(route)
  }

  /** Makes a conversation and sends its first message. @returns false when it could not be made: keep the text */
  async startConversation(text: string): Promise<boolean> {
    if (this.snapshot.starting) return false
    this.set({ starting: true, toast: null })
    try {
      const conversation = await this.parley.startConversation()
      this.list.upsert(conversation)
      this.list.tellTabs()
      // Who went elsewhere meanwhile stays there; the message is sent all the same.
      const { route } = this.snapshot
      if (route.view === 'chat' && route.id === null) this.go(conversation.id)
      const room =
        this.snapshot.room?.id === conversation.id ? this.snapshot.room : this.#background(conversation.id)
      room.send(text)
      return true
    } catch (error) {
      this.fail(error)
      return false
    } finally {
      this.set({ starting: false })
    }
  }

  async rename(id: string, title: string): Promise<void> {
    const held = this.list.find(id)
    if (held) this.list.upsert({ ...held, title })
    try {
      this.list.upsert(await this.parley.api.renameConversation(id, title))
      this.list.tellTabs()
    } catch (error) {
      if (held) this.list.upsert(held)
      this.fail(error)
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await this.parley.api.deleteConversation(id)
    } catch (error) {
      // Somebody else was faster; what was wanted is so.
      if (ParleyError.from(error).code !== 'not_found') return this.fail(error)
    }
    this.gone(id)
  }

  /** A conversation is not ours any more: deleted, or left. */
  gone(id: string): void {
    this.list.remove(id)
    this.list.tellTabs()
    if (this.snapshot.room?.id === id) this.go(null)
  }

  say(toast: string | null): void {
    this.set({ toast })
  }

  fail(error: unknown): void {
    this.set({ toast: errorText(ParleyError.from(error)) })
  }

  setDrawer(drawerOpen: boolean): void {
    this.set({ drawerOpen })
  }

  open(dialog: OpenDialog): void {
    this.set({ dialog })
  }

  closeDialog(): void {
    this.set({ dialog: null })
  }

  show(route: Route): void {
    const { room } = this.snapshot
    // While nobody is signed in nothing can be read; the address is kept for when somebody is.
    const isEnded = this.parley.session.snapshot.state === 'ended'
    const id = route.view === 'chat' && !isEnded ? route.id : null
    if (room && room.id === id) return this.set({ route, drawerOpen: false })
    this.#unsubscribe()
    room?.close()
    const next = id === null ? null : this.parley.connect(id)
    this.set({ route, room: next, toast: null, drawerOpen: false })
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
    const room = this.parley.connect(id)
    room.subscribe(() => {
      const { state, status } = room.snapshot
      if (status.state === 'open' && state.messages.length > 0 && state.pending.length === 0) room.close()
    })
    room.open()
    return room
  }
}
