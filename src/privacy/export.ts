/**
 * Everything of a person as one JSON object, written while it is read: one page at a time is in memory, and the next is read
 * when whoever receives it has room. What cannot be read is named at its end; whatever happens, it is valid JSON.
 *
 * Own conversations are whole, with what others said in them, because they are one's own to keep. Of those of others it
 * holds what one said oneself: the rest is theirs.
 */
import type { AuditEntry } from '../protocol/admin.ts'

export interface OwnPart {
  readonly messages: readonly unknown[]
  /** Where to go on; null at the end. */
  readonly next: number | null
  readonly [more: string]: unknown
}

export interface ExportDeps {
  readonly userId: string
  now(): number
  profile(): Promise<object>
  sessions(): Promise<readonly object[]>
  keys(): Promise<readonly object[]>
  webhooks(): Promise<readonly object[]>
  usage(): Promise<readonly object[]>
  /** @param after where the page before ended, null for the first */
  audit<End>(
    after: End | null,
  ): Promise<{ readonly entries: readonly AuditEntry[]; readonly end: End | null }>
  /** Ids of the person, first, and of the machines that act for them, which have conversations of their own. */
  subjects(): Promise<readonly string[]>
  placesOf(subject: string, after: string, limit: number): Promise<readonly string[]>
  /** Null when nothing there is of this subject. */
  part(conversationId: string, subject: string, after: number): Promise<OwnPart | null>
  report(part: string, error: unknown): void
}

const FORMAT = 'parley-export/1'
const PLACES_AT_ONCE = 100

interface Failure {
  readonly part: string
  readonly code: string
}

export function exportStream(deps: ExportDeps): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder()
  const texts = write(deps)
  return new ReadableStream<Uint8Array>(
    {
      // Called when there is room, and not before: that is all there is to back-pressure.
      async pull(controller) {
        const { done, value } = await texts.next()
        if (done) controller.close()
        else controller.enqueue(bytes.encode(value))
      },
      async cancel() {
        await texts.return()
      },
    },
    { highWaterMark: 1 },
  )
}

/** Pieces of text that are valid JSON together. Each is complete in itself, so that a failure falls between two. */
async function* write(deps: ExportDeps): AsyncGenerator<string, void, undefined> {
  const errors: Failure[] = []
  const failed = (part: string, error: unknown): void => {
    deps.report(part, error)
    errors.push({ part, code: codeOf(error) })
  }
  const exportedAt = new Date(deps.now()).toISOString()
  yield `{${member('format', FORMAT)},${member('exportedAt', exportedAt)}`
  for (const part of ['profile', 'sessions', 'keys', 'webhooks', 'usage'] as const) {
    try {
      yield `,${member(part, await deps[part]())}`
    } catch (error) {
      failed(part, error)
      yield `,${member(part, part === 'profile' ? null : [])}`
    }
  }
  yield* list('audit', auditEntries(deps), (error) => failed('audit', error))
  yield ',"conversations":['
  let first = true
  try {
    for await (const place of places(deps)) {
      const lost = (error: unknown): void => failed(`conversation:${place.id}`, error)
      for await (const text of conversation(deps, place, lost)) {
        yield first ? text.slice(1) : text
        first = false
      }
    }
  } catch (error) {
    failed('conversations', error)
  }
  yield `],${member('errors', errors)},"complete":${errors.length === 0}}`
}

async function* list(
  name: string,
  items: AsyncIterable<unknown>,
  failed: (error: unknown) => void,
): AsyncGenerator<string> {
  yield `,${JSON.stringify(name)}:[`
  let separator = ''
  try {
    for await (const item of items) {
      yield separator + JSON.stringify(item)
      separator = ','
    }
  } catch (error) {
    failed(error)
  }
  yield ']'
}

async function* auditEntries(deps: ExportDeps): AsyncGenerator<AuditEntry> {
  let end: unknown = null
  do {
    const page: { entries: readonly AuditEntry[]; end: unknown } = await deps.audit(end)
    for (const entry of page.entries) yield withoutOthers(entry, deps.userId)
    end = page.end
  } while (end !== null)
}

/** What others did to this person is theirs to know; who it was, and from where, is not. */
function withoutOthers(entry: AuditEntry, userId: string): AuditEntry {
  if (entry.actor === userId) {
    const isOther =
      /^(?:guest|user|oidc|service|erased):/.test(entry.resource ?? '') && entry.resource !== userId
    return isOther ? { ...entry, resource: null } : entry
  }
  return entry.actor === null ? entry : { ...entry, actor: null, address: null, agent: null, requestId: '' }
}

interface Place {
  readonly id: string
  readonly subject: string
}

async function* places(deps: ExportDeps): AsyncGenerator<Place> {
  for (const subject of await deps.subjects()) {
    let page: readonly string[] = await deps.placesOf(subject, '', PLACES_AT_ONCE)
    while (page.length > 0) {
      for (const id of page) yield { id, subject }
      page = await deps.placesOf(subject, page.at(-1) ?? '', PLACES_AT_ONCE)
    }
  }
}

/** `,{…}`; nothing when there is nothing, or when not even the first page can be read. */
async function* conversation(
  deps: ExportDeps,
  { id, subject }: Place,
  failed: (error: unknown) => void,
): AsyncGenerator<string> {
  let isOpen = false
  let separator = ''
  try {
    for (let after: number | null = 0; after !== null;) {
      const part: OwnPart | null = await deps.part(id, subject, after)
      if (!part) break
      const { messages, next, ...about } = part
      if (!isOpen) yield `,${JSON.stringify({ id, userId: subject, ...about }).slice(0, -1)},"messages":[`
      isOpen = true
      for (const message of messages) {
        yield separator + JSON.stringify(message)
        separator = ','
      }
      after = next
    }
  } catch (error) {
    failed(error)
  }
  if (isOpen) yield ']}'
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unavailable'
}
