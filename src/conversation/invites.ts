/**
 * Links that make whoever holds one a member. Which token belongs to which conversation is known to D1, by its hash;
 * whether it still serves is decided here, where one use after the other is looked at.
 *
 * Accepting counts a use and adds a member in one transaction. A revoked invite leaves nothing behind. Whoever was removed
 * needs one that was asked for afterwards: the events of the log say what was first, which no clock does within a millisecond.
 */
import { desc, eq, sql } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import { MAX_LINKS } from '../protocol/limits.ts'
import type { AcceptInviteAnswer, CreateInviteBody, Invite } from '../protocol/members.ts'
import type { Principal } from '../protocol/principal.ts'
import type { Access } from './access.ts'
import type { Database } from './database.ts'
import type { Directory } from './deps.ts'
import type { EventRow } from './events.ts'
import { unusable, withLink } from './link-row.ts'
import type { Membership } from './membership.ts'
import { invites } from './schema.ts'

type InviteRow = typeof invites.$inferSelect
const HOUR_MS = 3_600_000

export interface InvitesDeps {
  readonly db: Database
  readonly conversationId: string
  readonly access: Access
  readonly membership: Membership
  readonly directory: Directory
  now(): number
  /** `seq` of the newest event. */
  seq(): number
  isDeleted(): boolean
  isOwnerSuspended(): Promise<boolean>
  announce(event: EventRow): Promise<void>
  report(event: string, error: unknown): void
}

export class Invites {
  readonly #deps: InvitesDeps
  /** Those that D1 is being told of. */
  #making = 0

  constructor(deps: InvitesDeps) {
    this.#deps = deps
  }

  /** @param hash of the token, which only its holder knows */
  async create(owner: Principal, input: CreateInviteBody, hash: string): Promise<Invite> {
    const { db, access, directory, conversationId } = this.#deps
    access.authorize(owner, 'conversation:members')
    if (this.#rows().length + this.#making >= MAX_LINKS)
      throw new AppError('conflict', `There may be ${MAX_LINKS} invites; revoke one first.`)
    const createdAt = this.#deps.now()
    const madeSeq = this.#deps.seq()
    const expiresAt = createdAt + input.expiresInHours * HOUR_MS
    this.#making++
    try {
      return await withLink(directory, { kind: 'invite', hash, conversationId, expiresAt }, () => {
        // D1 took its time: what was allowed then may not be any more.
        access.authorize(owner, 'conversation:members')
        const row: InviteRow = {
          id: crypto.randomUUID(),
          hash,
          role: input.role,
          createdAt,
          expiresAt,
          maxUses: input.maxUses ?? null,
          uses: 0,
          madeSeq,
        }
        db.insert(invites).values(row).run()
        return toInvite(row)
      })
    } finally {
      this.#making--
    }
  }

  list(principal: Principal): Invite[] {
    this.#deps.access.authorize(principal, 'conversation:members')
    return this.#rows().map(toInvite)
  }

  /** It serves nobody from here on, whether D1 hears of it or not. */
  async revoke(principal: Principal, id: string): Promise<void> {
    const { db, access, directory } = this.#deps
    access.authorize(principal, 'conversation:members')
    const row = db.delete(invites).where(eq(invites.id, id)).returning().get()
    if (!row) throw new AppError('not_found', 'There is no such invite.')
    try {
      await directory.removeLink(row.hash)
    } catch (error) {
      this.#deps.report('link_removal_failed', error)
    }
  }

  /** Makes this person a member. One who is a member stays what they are, and uses nothing up. */
  async accept(principal: Principal, hash: string): Promise<AcceptInviteAnswer> {
    const { db, membership, conversationId, access } = this.#deps
    if (await this.#deps.isOwnerSuspended()) throw unusable('invite')
    const row = this.#deps.isDeleted()
      ? undefined
      : db.select().from(invites).where(eq(invites.hash, hash)).get()
    if (!row) throw unusable('invite')
    const known = membership.roleOf(principal.userId)
    if (known) return { conversationId, role: known }
    const now = this.#deps.now()
    const removedSeq = membership.removedSeq(principal.userId)
    if (removedSeq !== null && row.madeSeq < removedSeq) throw unusable('invite')
    if (row.expiresAt <= now || (row.maxUses !== null && row.uses >= row.maxUses)) throw unusable('invite')
    access.refuseIfFull()
    const { userId, name } = principal
    const event = membership.add({ userId, name, role: row.role }, now, () => {
      db.update(invites)
        .set({ uses: sql`${invites.uses} + 1` })
        .where(eq(invites.id, row.id))
        .run()
    })
    await this.#deps.announce(event)
    return { conversationId, role: row.role }
  }

  #rows(): InviteRow[] {
    return this.#deps.db.select().from(invites).orderBy(desc(invites.createdAt)).all()
  }
}

function toInvite({ id, role, createdAt, expiresAt, maxUses, uses }: InviteRow): Invite {
  return {
    id,
    role,
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    maxUses,
    uses,
  }
}
