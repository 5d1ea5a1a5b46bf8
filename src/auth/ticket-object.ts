/**
 * Remembers which tickets were used: one small object per person, because "once" needs one place that decides.
 *
 * A row lives as long as its ticket could; an alarm empties the object afterwards, so an idle person costs nothing.
 */
import { DurableObject } from 'cloudflare:workers'

export class TicketObject extends DurableObject {
  /**
   * @param expiresAt seconds since the epoch
   * @returns whether this is its first use
   */
  async redeem(id: string, expiresAt: number): Promise<boolean> {
    const { sql } = this.ctx.storage
    sql.exec(
      'CREATE TABLE IF NOT EXISTS used (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID',
    )
    const inserted = sql
      .exec('INSERT OR IGNORE INTO used VALUES (?, ?) RETURNING id', id, expiresAt)
      .toArray()
    if (inserted.length === 0) return false
    await this.ctx.storage.setAlarm((expiresAt + 1) * 1000)
    return true
  }

  override async alarm(): Promise<void> {
    const { sql } = this.ctx.storage
    const now = Math.floor(Date.now() / 1000)
    sql.exec('DELETE FROM used WHERE expires_at <= ?', now)
    const next = sql.exec<{ at: number | null }>('SELECT min(expires_at) AS at FROM used').one().at
    if (next === null) await this.ctx.storage.deleteAll()
    else await this.ctx.storage.setAlarm((next + 1) * 1000)
  }
}
