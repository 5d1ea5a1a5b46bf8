/**
 * Incidents and the counts of errors, as the administration reads and handles them. For the server and the client.
 * Lists are paged by key, newest first; nothing here holds anything of a conversation.
 */
import * as z from 'zod'
import { queryInt } from './http.ts'
import { ruleKind, severity } from './incident-rules.ts'

const at = z.iso.datetime()

export const INCIDENT_STATES = ['open', 'acknowledged', 'resolved'] as const
export const incidentState = z.enum(INCIDENT_STATES)
export type IncidentState = z.infer<typeof incidentState>

/** Numbered in the order in which they opened. */
export const incidentId = z.string().regex(/^i[1-9]\d{0,11}$/, 'must be the id of an incident such as "i12"')
export const incidentParam = z.strictObject({ id: incidentId })

export const incident = z.object({
  id: incidentId,
  /** Name of the rule that opened it. */
  rule: z.string(),
  kind: ruleKind,
  /** The provider that it is about, or `all`. */
  subject: z.string(),
  severity,
  title: z.string(),
  state: incidentState,
  /** How far it has been escalated. */
  level: z.int(),
  openedAt: at,
  acknowledgedAt: at.nullable(),
  /** A user id, or `erased:…`. */
  acknowledgedBy: z.string().nullable(),
  resolvedAt: at.nullable(),
  /** Null: it was over by itself, or is not over. */
  resolvedBy: z.string().nullable(),
  /** How often it came back after it seemed over. */
  reopened: z.int(),
  /** What was measured last, in the unit of its kind, and in words. */
  value: z.number(),
  summary: z.string(),
  peak: z.object({ value: z.number(), at, summary: z.string() }),
})
export type Incident = z.infer<typeof incident>

export const ENTRY_KINDS = [
  'opened',
  'reopened',
  /** Another rule sees it as well, or does no more. */
  'joined',
  'cleared',
  'breaker_opened',
  'breaker_half_open',
  'breaker_closed',
  'paused',
  'resumed',
  'escalated',
  'acknowledged',
  'note',
  'peaked',
  'resolved',
] as const
export const timelineEntry = z.object({
  at,
  kind: z.enum(ENTRY_KINDS),
  text: z.string(),
  /** Who did it; null when nobody did. */
  by: z.string().nullable(),
})
export type TimelineEntry = z.infer<typeof timelineEntry>

export const PAGE_INCIDENTS = 50
export const MAX_PAGE_INCIDENTS = 200
export const listIncidentsQuery = z.strictObject({
  state: incidentState.optional(),
  limit: queryInt(MAX_PAGE_INCIDENTS, PAGE_INCIDENTS),
  /** `next` of the page before. */
  cursor: z.string().max(200).optional(),
})

/** `GET /admin/incidents` */
export const incidentPage = z.object({ incidents: z.array(incident), next: z.string().nullable() })
export type IncidentPage = z.infer<typeof incidentPage>

/** `GET /admin/incidents/:id`, and what `…/acknowledge`, `…/resolve` and `…/notes` answer. */
export const incidentDetail = incident.extend({ timeline: z.array(timelineEntry) })
export type IncidentDetail = z.infer<typeof incidentDetail>

/** Longest note, in UTF-16 code units, and how many one incident takes. */
export const MAX_NOTE_CHARS = 4_000
export const MAX_NOTES = 200

const noteText = z
  .string()
  .max(MAX_NOTE_CHARS, `is longer than ${MAX_NOTE_CHARS} characters`)
  .refine((text) => text.isWellFormed(), 'holds half a surrogate pair')
  .transform((text) => text.replaceAll('\r\n', '\n').trim())
  // Lines and tabs are what people write; the rest moves cursors.
  .refine((text) => !/[^\P{Cc}\n\t]/u.test(text), 'holds a control character')
  .refine((text) => text !== '', 'is empty')

export const noteBody = z.strictObject({ text: noteText })
export type NoteBody = z.input<typeof noteBody>
export const resolveBody = z.strictObject({ note: noteText.optional() })
export type ResolveBody = z.input<typeof resolveBody>

/** How long counts of errors are kept. */
export const ERROR_DAYS = 14
export const ERROR_GROUPS = ['fingerprint', 'provider', 'route', 'minute'] as const
export type ErrorGroup = (typeof ERROR_GROUPS)[number]
/** Rows of one answer; a day has 1,440 minutes. */
export const MAX_ERROR_ROWS = 1_500

export const listErrorsQuery = z.strictObject({
  /** From this time on, and before that one; standard: the last 24 hours. Whole minutes count. */
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  group: z.enum(ERROR_GROUPS).optional(),
})

export const errorRow = z.object({
  /** The fingerprint, provider, route or minute (ISO 8601); null: of no provider or route. */
  key: z.string().nullable(),
  count: z.int(),
  /** In the time that was asked for, to the minute; of a fingerprint `firstSeen` is when it was seen first at all. */
  firstSeen: at,
  lastSeen: at,
  /** Of a fingerprint: its class, and one line of what it is. */
  kind: z.string().nullable(),
  detail: z.string().nullable(),
})
export type ErrorRow = z.infer<typeof errorRow>

/** `GET /admin/errors`: most first; minutes newest first. */
export const errorsAnswer = z.object({
  from: at,
  to: at,
  group: z.enum(ERROR_GROUPS),
  rows: z.array(errorRow),
  /** There are more than one answer holds. */
  truncated: z.boolean(),
})
export type ErrorsAnswer = z.infer<typeof errorsAnswer>
