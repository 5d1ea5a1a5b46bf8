/**
 * Counts failed attempts to sign in, durably and in one place for all isolates: one small object for each account
 * (`email:<hash>`) and for each network (`address:<network>`). What a count means is in `attempts.ts`.
 *
 * A row lives as long as it counts; an alarm empties the object afterwards.
 */
import { DurableObject } from 'cloudflare:workers'
import type { ErrorShape } from '../errors.ts'
import {
  ACCOUNT_FROM_ANYWHERE,
  ACCOUNT_FROM_NETWORK,
  counted,
  forgottenAt,
  givenBack,
  NETWORK,
  newcomers,
  NONE,
  refusal,
  waitMs,
  type Count,
  type Rule,
} from './attempts.ts'

/** A network from which somebody signed in is known for this long. */
const KNOWN_MS = 90 * 24 * 3600 * 1000
/** Most that are kept of each account: the newest. */
const MAX_KNOWN = 20

/** Row names: this one for all networks; `from:<network>` for one; `known:<network>` for one that was signed in from. */
const ALL = 'all'
/** Row of those who are new. */
const NEW = 'new'

export class AttemptsObject extends DurableObject {
  /**
   * Counts one try at this account, before its outcome is known.
   *
   * @returns null, or why it has to wait; then nothing is counted
   */
  async tryAccount(network: string): Promise<ErrorShape | null> {
    const isKnown = this.#read(`known:${network}`).failures > 0
    const rows: [string, Rule][] = [[`from:${network}`, ACCOUNT_FROM_NETWORK]]
    if (!isKnown) rows.push([ALL, ACCOUNT_FROM_ANYWHERE])
    return await this.#try(rows)
  }

  /** @returns as {@link tryAccount} */
  async tryNetwork(): Promise<ErrorShape | null> {
    return await this.#try([[ALL, NETWORK]])
  }

  /** Counts somebody who is new here, for good. @returns null, or why they have to wait */
  async tryNewcomer(perHour: number): Promise<ErrorShape | null> {
    const refused = await this.#try([[NEW, newcomers(perHour)]])
    if (!refused?.limit) return refused
    const detail = 'Too many new people come from this network. Wait a moment, or sign in.'
    return { ...refused, detail, limit: { ...refused.limit, unit: 'people' } }
  }

  /** The password was right: this network's failures are forgotten, and the try is taken back from the rest. */
  async accountSucceeded(network: string): Promise<void> {
    const now = Date.now()
    const known = this.#read(`known:${network}`)
    this.#sql('DELETE FROM counts WHERE name = ?', `from:${network}`)
    if (known.failures === 0) this.#write(ALL, givenBack(this.#read(ALL)), ACCOUNT_FROM_ANYWHERE)
    this.#put(`known:${network}`, { failures: 1, at: now }, now + KNOWN_MS)
    this.#sql(
      `DELETE FROM counts WHERE name LIKE 'known:%' AND name NOT IN
       (SELECT name FROM counts WHERE name LIKE 'known:%' ORDER BY at DESC LIMIT ?)`,
      MAX_KNOWN,
    )
    await this.#wakeToForget()
  }

  async networkSucceeded(): Promise<void> {
    this.#write(ALL, givenBack(this.#read(ALL)), NETWORK)
    await this.#wakeToForget()
  }

  /** Leaves nothing of this account: it holds addresses of a person. */
  async forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }

  override async alarm(): Promise<void> {
    this.#sql('DELETE FROM counts WHERE forget_at <= ?', Date.now())
    await this.#wakeToForget()
  }

  async #try(rows: readonly (readonly [string, Rule])[]): Promise<ErrorShape | null> {
    const now = Date.now()
    const waits = rows.map(([name, rule]) => ({ rule, wait: waitMs(rule, this.#read(name), now) }))
    const longest = waits.reduce((most, each) => (each.wait > most.wait ? each : most))
    if (longest.wait > 0) return refusal(longest.rule, longest.wait, now)
    for (const [name, rule] of rows) this.#write(name, counted(rule, this.#read(name), now), rule)
    await this.#wakeToForget()
    return null
  }

  #read(name: string): Count {
    const [row] = this.#sql<{ failures: number; at: number }>(
      'SELECT failures, at FROM counts WHERE name = ?',
      name,
    )
    return row ?? NONE
  }

  #write(name: string, count: Count, rule: Rule): void {
    if (count.failures > 0) this.#put(name, count, forgottenAt(rule, count))
    else this.#sql('DELETE FROM counts WHERE name = ?', name)
  }

  #put(name: string, { failures, at }: Count, forgetAt: number): void {
    this.#sql('INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?)', name, failures, at, forgetAt)
  }

  async #wakeToForget(): Promise<void> {
    const [row] = this.#sql<{ at: number | null }>('SELECT min(forget_at) AS at FROM counts')
    if (row?.at == null) await this.ctx.storage.deleteAll()
    else await this.ctx.storage.setAlarm(row.at + 1)
  }

  #sql<Row extends Record<string, SqlStorageValue>>(query: string, ...values: SqlStorageValue[]): Row[] {
    const { sql } = this.ctx.storage
    sql.exec(
      'CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, failures INTEGER NOT NULL, at INTEGER NOT NULL, forget_at INTEGER NOT NULL) WITHOUT ROWID',
    )
    return sql.exec<Row>(query, ...values).toArray()
  }
}
