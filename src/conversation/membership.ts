/**
 * Who is in the conversation, and as what: the rows of `members`, all of them in memory, since every frame asks. Also who
 * was removed by somebody else, and when: their row stays, so that an older invite does not let them in again.
 *
 * A change is written together with its event (`History.record`), and known here when both are durable. Who may change
 * what, and what follows from a change for open connections, is `access.ts`.
 */
import { and, asc, eq, gt, lt, max } from 'drizzle-orm'
import { MAX_MEMBERS } from '../protocol/limits.ts'
import type { Member } from '../protocol/members.ts'
import type { MemberRole } from '../protocol/permissions.ts'
import type { Database } from './database.ts'
import type { DirectoryMember } from './deps.ts'
import type { EventRow } from './events.ts'
import type { History } from './history.ts'
import { events, invites, members } from './schema.ts'

type MemberRow = typeof members.$inferSelect

/** Those who were removed that are remembered; as many as there can be members, so that what D1 is told stays small. */
const MAX_REMOVED = MAX_MEMBERS

export class Membership {
  readonly #db: Database
  readonly #history: History
  readonly #members: Map<string, MemberRow>
  /** The `seq` of their removal, in its order. */
  readonly #removed: Map<string, number>
  /** `seq` of the newest change. */
  #changedAt: number

  constructor(db: Database, history: History) {
    this.#db = db
    this.#history = history
    const rows = db.select().from(members).orderBy(asc(members.joinedAt), asc(members.userId)).all()
    // Those who came in the same millisecond as the owner come after the owner.
    rows.sort((a, b) => Number(b.role === 'owner') - Number(a.role === 'owner'))
    const current = rows.filter(({ removedSeq }) => removedSeq === null)
    this.#members = new Map(current.map((row) => [row.userId, row]))
    const removed = rows.flatMap(({ userId, removedSeq }) =>
      removedSeq === null ? [] : [[userId, removedSeq] as const],
    )
    this.#removed = new Map(removed.toSorted(([, a], [, b]) => a - b))
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

  /** Null for somebody who was not removed, or was let in again. */
  removedSeq(userId: string): number | null {
    return this.#removed.get(userId) ?? null
  }

  /** What D1, which was told up to `delivered`, has to know: all but the owner; null when nothing is new there. */
  untold(delivered: number): DirectoryMember[] | null {
    if (this.#changedAt <= delivered) return null
    const current = [...this.#members.values()].filter(({ role }) => role !== 'owner')
    return [
      ...current.map(({ userId, role }) => ({ userId, role })),
      ...[...this.#removed.keys()].map((userId) => ({ userId, role: 'removed' as const })),
    ]
  }

  /** @param also written in the same transaction */
  add(
    person: Pick<MemberRow, 'userId' | 'name' | 'role'>,
    joinedAt: number,
    also: () => void = () => {},
  ): EventRow {
    const row: MemberRow = { ...person, joinedAt, removedSeq: null }
    const event = this.#change(() => {
      this.#db.insert(members).values(row).onConflictDoUpdate({ target: members.userId, set: row }).run()
      also()
    })
    this.#removed.delete(row.userId)
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

  /** Nothing stays of them: they left by themselves, or are erased, whether or not they were removed before. */
  drop(userId: string): EventRow {
    const event = this.#change(() => this.#deleteRow(userId))
    this.#members.delete(userId)
    this.#removed.delete(userId)
    return event
  }

  /** It stays known that they were removed. Of too many, the oldest is forgotten, and no invite is left that it held for. */
  remove(userId: string): EventRow {
    const [oldest] = this.#removed.size >= MAX_REMOVED ? this.#removed : []
    const event = this.#change((removedSeq) => {
      this.#db.update(members).set({ removedSeq, name: null }).where(eq(members.userId, userId)).run()
      if (!oldest) return
      this.#deleteRow(oldest[0])
      this.#db.delete(invites).where(lt(invites.madeSeq, oldest[1])).run()
    })
    if (oldest) this.#removed.delete(oldest[0])
    this.#members.delete(userId)
    this.#removed.set(userId, event.seq)
    return event
  }

  #deleteRow(userId: string): void {
    this.#db.delete(members).where(eq(members.userId, userId)).run()
  }

  #change(write: (seq: number) => void): EventRow {
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
