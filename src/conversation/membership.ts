/**
 * Who is in the conversation, and as what: the rows of `members`, all of them in memory, since every frame asks.
 *
 * A change is written together with its event (`History.record`), and known here when both are durable. Who may change
 * what, and what follows from a change for open connections, is `access.ts`.
 */
import { and, asc, eq, gt, max } from 'drizzle-orm'
import type { Member } from '../protocol/members.ts'
import type { MemberRole } from '../protocol/permissions.ts'
import type { Database } from './database.ts'
import type { EventRow } from './events.ts'
import type { History } from './history.ts'
import { events, members } from './schema.ts'

type MemberRow = typeof members.$inferSelect

export class Membership {
  readonly #db: Database
  readonly #history: History
  readonly #members: Map<string, MemberRow>
  /** `seq` of the newest change. */
  #changedAt: number

  constructor(db: Database, history: History) {
    this.#db = db
    this.#history = history
    const rows = db.select().from(members).orderBy(asc(members.joinedAt), asc(members.userId)).all()
    // Those who came in the same millisecond as the owner come after the owner.
    rows.sort((a, b) => Number(b.role === 'owner') - Number(a.role === 'owner'))
    this.#members = new Map(rows.map((row) => [row.userId, row]))
    const change = db
      .select({ seq: max(events.seq) })
      .from(events)
      .where(and(gt(events.seq, history.delivered), eq(events.type, 'members_updated')))
      .get()
    this.#changedAt = change?.seq ?? 0
  }

  get size(): number {
    return this.#members.size
  }

  roleOf(userId: string): MemberRole | null {
    return this.#members.get(userId)?.role ?? null
  }

  find(userId: string): Member | null {
    const row = this.#members.get(userId)
    return row ? toMember(row) : null
  }

  /** In the order in which they came. */
  list(): Member[] {
    return [...this.#members.values()].map(toMember)
  }

  /** What D1, which was told up to `delivered`, has to know: all but the owner; null when nothing is new there. */
  untold(delivered: number): { userId: string; role: MemberRole }[] | null {
    if (this.#changedAt <= delivered) return null
    return [...this.#members.values()]
      .filter(({ role }) => role !== 'owner')
      .map(({ userId, role }) => ({ userId, role }))
  }

  /** @param also written in the same transaction */
  add(person: Omit<MemberRow, 'joinedAt'>, joinedAt: number, also: () => void = () => {}): EventRow {
    const row: MemberRow = { ...person, joinedAt }
    const event = this.#change(() => {
      this.#db.insert(members).values(row).run()
      also()
    })
    this.#members.set(row.userId, row)
    return event
  }

  setRole(userId: string, role: MemberRole): EventRow {
    const event = this.#change(() => {
      this.#db.update(members).set({ role }).where(eq(members.userId, userId)).run()
    })
    const row = this.#members.get(userId)
    if (row) this.#members.set(userId, { ...row, role })
    return event
  }

  remove(userId: string): EventRow {
    const event = this.#change(() => {
      this.#db.delete(members).where(eq(members.userId, userId)).run()
    })
    this.#members.delete(userId)
    return event
  }

  #change(write: () => void): EventRow {
    const event = this.#history.record('members_updated', write)
    this.#changedAt = event.seq
    return event
  }

  /** Keeps the name under which a member comes. It is no event: the next list has it. */
  see(userId: string, name: string): void {
    const row = this.#members.get(userId)
    if (!row || row.name === name) return
    this.#db.update(members).set({ name }).where(eq(members.userId, userId)).run()
    this.#members.set(userId, { ...row, name })
  }
}

function toMember({ userId, name, role, joinedAt }: MemberRow): Member {
  return { userId, name, role, joinedAt: new Date(joinedAt).toISOString() }
}
