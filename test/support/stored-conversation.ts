/**
 * Looks into the persistence folder, past the application: what is really stored, also while nothing runs, and without
 * waking the object that it belongs to. Read-only; SQLite lets a reader in beside the runtime.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The runtime holds a database for itself while it closes it, which it does when its object falls asleep. */
const LOCK_MS = 5_000

export interface StoredTurn {
  readonly number: number
  readonly state: string
  readonly attempts: number
  /** What is stored of its answer: all of it, or the pieces so far of the newest attempt. */
  readonly text: string
}

export interface StoredConversation {
  /** `<client id>` of each person's message, in order. */
  readonly clientIds: readonly string[]
  readonly turns: readonly StoredTurn[]
  /** The `seq` of each event, in order. */
  readonly seqs: readonly number[]
  /** When the newest event happened, as clients are told. */
  readonly lastActivityAt: string | null
}

/**
 * The tables of each object of a class that ever woke, by its file. Those of the runtime and of its local simulator, which
 * notes the name of every object that is called, are left out: an object with no tables has stored nothing.
 */
export function storedTables(persistDir: string, className: string): ReadonlyMap<string, readonly string[]> {
  const tables = new Map<string, readonly string[]>()
  for (const file of filesOf(persistDir, className)) {
    const db = new DatabaseSync(file, { readOnly: true, timeout: LOCK_MS })
    try {
      const rows = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all()
      tables.set(
        file,
        rows.map((row) => String(row['name'])).filter((name) => !/^(_cf_|__miniflare|sqlite_)/.test(name)),
      )
    } finally {
      db.close()
    }
  }
  return tables
}

/** @returns null when there is no such conversation */
export function readStored(persistDir: string, conversationId: string): StoredConversation | null {
  for (const file of filesOf(persistDir, 'ConversationObject')) {
    const db = new DatabaseSync(file, { readOnly: true, timeout: LOCK_MS })
    try {
      if (isOf(db, conversationId)) return read(db)
    } finally {
      db.close()
    }
  }
  return null
}

/** Turns that have not ended. */
export function openTurns(stored: StoredConversation): StoredTurn[] {
  return stored.turns.filter((turn) => /^(queued|admitted|streaming|awaiting_approval)$/.test(turn.state))
}

/** One database for each object of the class. */
function filesOf(persistDir: string, className: string): string[] {
  const folder = join(persistDir, 'v3/do', `parley-${className}`)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sqlite') && !name.startsWith('metadata'))
    .map((name) => join(folder, name))
}

function isOf(db: DatabaseSync, conversationId: string): boolean {
  const created = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'conversation'").get()
  return (
    created !== undefined &&
    db.prepare('SELECT 1 FROM conversation WHERE id = ?').get(conversationId) !== undefined
  )
}

function read(db: DatabaseSync): StoredConversation {
  // One transaction, so that all of it is of one moment.
  db.exec('BEGIN')
  const clientIds = db
    .prepare("SELECT client_id FROM messages WHERE role = 'user' ORDER BY number")
    .all()
    .map((row) => String(row['client_id']))
  const turns = db
    .prepare('SELECT number, state, attempts FROM turns ORDER BY number')
    .all()
    .map((row): StoredTurn => {
      const number = Number(row['number'])
      const attempts = Number(row['attempts'])
      return { number, state: String(row['state']), attempts, text: textOf(db, number) }
    })
  const events = db.prepare('SELECT seq, at FROM events ORDER BY seq').all()
  const last = events.at(-1)
  return {
    clientIds,
    turns,
    seqs: events.map((row) => Number(row['seq'])),
    lastActivityAt: last ? new Date(Number(last['at'])).toISOString() : null,
  }
}

function textOf(db: DatabaseSync, message: number): string {
  const finished = db.prepare('SELECT content FROM messages WHERE number = ?').get(message)
  if (finished) return String(finished['content'])
  let text = ''
  // Each attempt goes on where the one before it ended; what lies elsewhere is left over.
  for (const row of db
    .prepare('SELECT "offset", delta FROM chunks WHERE message = ? ORDER BY attempt, slot')
    .all(message)) {
    if (Number(row['offset']) === text.length) text += String(row['delta'])
  }
  return text
}
