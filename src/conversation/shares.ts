/**
 * Links that show one branch of the conversation to whoever holds one, and nothing else of it: no ids, no names, no
 * other branch, no text that is still being written. A snapshot ends in one message for ever, under the title of then; a
 * live one in the newest finished answer, under the title of now.
 */
import { desc, eq } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { MAX_LINKS } from '../protocol/limits.ts'
import type { CreateShareBody, Share, SharedBranch } from '../protocol/members.ts'
import type { Principal } from '../protocol/principal.ts'
import type { Access } from './access.ts'
import type { Database } from './database.ts'
import type { Directory } from './deps.ts'
import { messageIdOf, numberOf } from './events.ts'
import { unusable, withLink } from './link-row.ts'
import type { LogReader } from './log-reader.ts'
import { shares } from './schema.ts'

type ShareRow = typeof shares.$inferSelect
const DAY_MS = 24 * 3_600_000
/** Messages that a shared page shows at most, the newest of its branch. */
const MAX_SHARED_MESSAGES = 1_000
/** And their text, in UTF-16 code units: anybody may ask, and it is in memory with the conversation. */
const MAX_SHARED_CHARS = 2 * 1024 * 1024

export interface SharesDeps {
  readonly db: Database
  readonly conversationId: string
  readonly log: LogReader
  readonly access: Access
  readonly directory: Directory
  now(): number
  isDeleted(): boolean
  isOwnerSuspended(): Promise<boolean>
  title(): string
  report(event: string, error: unknown): void
}

export class Shares {
  readonly #deps: SharesDeps
  /** Those that D1 is being told of. */
  #making = 0

  constructor(deps: SharesDeps) {
    this.#deps = deps
  }

  /** @param hash of the token, which only its holder knows */
  async create(owner: Principal, input: CreateShareBody, hash: string): Promise<Share> {
    const { db, access, directory, conversationId } = this.#deps
    access.authorize(owner, 'conversation:share')
    if (this.#rows().length + this.#making >= MAX_LINKS)
      throw new AppError('conflict', `There may be ${MAX_LINKS} shares; revoke one first.`)
    const tip = this.#tipOf(input)
    const createdAt = this.#deps.now()
    const expiresAt = input.expiresInDays === undefined ? null : createdAt + input.expiresInDays * DAY_MS
    const title = tip === null ? null : this.#deps.title()
    this.#making++
    try {
      return await withLink(directory, { kind: 'share', hash, conversationId, expiresAt }, () => {
        access.authorize(owner, 'conversation:share')
        const id = crypto.randomUUID()
        const row: ShareRow = {
          id,
          hash,
          tip,
          title,
          requireSignIn: input.requireSignIn,
          createdAt,
          expiresAt,
        }
        db.insert(shares).values(row).run()
        return toShare(row)
      })
    } finally {
      this.#making--
    }
  }

  list(principal: Principal): Share[] {
    this.#deps.access.authorize(principal, 'conversation:share')
    return this.#rows().map(toShare)
  }

  /** It shows nothing from here on, whether D1 hears of it or not. */
  async revoke(principal: Principal, id: string): Promise<void> {
    const { db, access, directory } = this.#deps
    access.authorize(principal, 'conversation:share')
    const row = db.delete(shares).where(eq(shares.id, id)).returning().get()
    if (!row) throw new AppError('not_found', 'There is no such share.')
    try {
      await directory.removeLink(row.hash)
    } catch (error) {
      this.#deps.report('link_removal_failed', error)
    }
  }

  /**
   * @param isSignedIn whether somebody with an account asks
   * @throws AppError `not_found` for a link that does not serve, `unauthorized` for one that asks for an account
   */
  async read(hash: string, isSignedIn: boolean): Promise<SharedBranch> {
    const { db, log } = this.#deps
    if (await this.#deps.isOwnerSuspended()) throw unusable('share')
    const row = this.#deps.isDeleted()
      ? undefined
      : db.select().from(shares).where(eq(shares.hash, hash)).get()
    if (!row || (row.expiresAt !== null && row.expiresAt <= this.#deps.now())) throw unusable('share')
    if (row.requireSignIn && !isSignedIn)
      throw new AppError('unauthorized', 'Sign in with an account to see this.')
    const tip = row.tip ?? log.newestAnswer()
    const { messages, isWhole } =
      tip === null ? { messages: [], isWhole: true } : log.branch(tip, MAX_SHARED_MESSAGES, MAX_SHARED_CHARS)
    return {
      title: row.title ?? this.#deps.title(),
      mode: modeOf(row),
      sharedAt: new Date(row.createdAt).toISOString(),
      messages: messages
        .filter(({ role, content }) => (role === 'user' || role === 'assistant') && content !== '')
        .map(({ role, content, createdAt }) => ({
          role,
          text: content,
          createdAt: new Date(createdAt).toISOString(),
        })),
      isWhole,
    }
  }

  #tipOf({ mode, messageId }: CreateShareBody): number | null {
    if (mode === 'live') {
      if (messageId === undefined) return null
      throw new AppError('validation_failed', 'The field "messageId" is for snapshots.', {
        field: 'messageId',
      })
    }
    if (messageId === undefined) {
      const newest = this.#deps.log.newestAnswer()
      if (newest === null) throw new AppError('conflict', 'There is no answer to share yet.')
      return newest
    }
    const number = numberOf(messageId)
    // A message that is still being written has no row.
    if (!this.#deps.log.message(number))
      throw new AppError('not_found', 'There is no such finished message.', { field: 'messageId' })
    return number
  }

  #rows(): ShareRow[] {
    return this.#deps.db.select().from(shares).orderBy(desc(shares.createdAt)).all()
  }
}

const modeOf = (row: ShareRow): Share['mode'] => (row.tip === null ? 'live' : 'snapshot')

function toShare(row: ShareRow): Share {
  return {
    id: row.id,
    mode: modeOf(row),
    messageId: row.tip === null ? null : messageIdOf(row.tip),
    requireSignIn: row.requireSignIn,
    createdAt: new Date(row.createdAt).toISOString(),
    expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt).toISOString(),
  }
}
