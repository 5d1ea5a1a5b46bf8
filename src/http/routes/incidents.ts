/**
 * `/api/admin/incidents`: what is or was wrong, and handling it; `/api/admin/errors`: what failed how often. For moderators
 * and admins.
 *
 * An incident may be that D1 does not answer. So reading leaves no entry in the trail, and handling does not fail when none
 * can be written: who did what stands in the incident's own timeline.
 */
import { Hono, type Context } from 'hono'
import * as z from 'zod'
import type { AppEnv } from '../../env.ts'
import { AppError, unwrap, type Result } from '../../errors.ts'
import type { AuditAction } from '../../protocol/admin.ts'
import {
  ERROR_DAYS,
  incidentParam,
  listErrorsQuery,
  listIncidentsQuery,
  noteBody,
  resolveBody,
  type ErrorsAnswer,
  type IncidentDetail,
  type IncidentPage,
} from '../../protocol/incidents.ts'
import { auditAfter } from '../late-audit.ts'
import { decodeCursor, encodeCursor } from '../page-cursor.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

const DAY_MS = 24 * 3600 * 1000

const entryId = z
  .string()
  .regex(/^[1-9]\d{0,11}$/)
  .transform(Number)

export const incidentRoutes = new Hono<AppEnv>()
  .get('/', permit('admin:incidents:read'), validate('query', listIncidentsQuery), async (c) => {
    const { state, limit, cursor } = c.req.valid('query')
    const below = decodeCursor(cursor, entryId)?.id ?? null
    const { incidents, end } = await c.var.services.incidents().list(state ?? null, limit, below)
    const answer: IncidentPage = { incidents, next: end && encodeCursor(end) }
    return c.json(answer)
  })
  .get('/:id', permit('admin:incidents:read'), async (c) => {
    return c.json(unwrap(await c.var.services.incidents().get(numberOf(c.req.param('id')))))
  })
  .get('/:id/post-mortem', permit('admin:incidents:read'), async (c) => {
    const id = numberOf(c.req.param('id'))
    const text = unwrap(await c.var.services.incidents().postMortem(id))
    return c.body(text, 200, {
      'content-type': 'text/markdown; charset=utf-8',
      'content-disposition': `attachment; filename="incident-i${id}.md"`,
      'cache-control': 'no-store',
    })
  })
  .post('/:id/acknowledge', permit('admin:incidents:handle'), async (c) => {
    const id = numberOf(c.req.param('id'))
    const outcome = await c.var.services.incidents().acknowledge(id, c.var.principal.userId)
    return c.json(await handled(c, 'incident_acknowledged', outcome))
  })
  .post(
    '/:id/resolve',
    permit('admin:incidents:handle'),
    jsonOnly(),
    // Without a body there is no note.
    validate('json', resolveBody),
    async (c) => {
      const id = numberOf(c.req.param('id'))
      const { note } = c.req.valid('json')
      const outcome = await c.var.services.incidents().resolve(id, c.var.principal.userId, note ?? null)
      return c.json(await handled(c, 'incident_resolved', outcome))
    },
  )
  .post('/:id/notes', permit('admin:incidents:handle'), jsonOnly(), validate('json', noteBody), async (c) => {
    const id = numberOf(c.req.param('id'))
    const { text } = c.req.valid('json')
    const outcome = await c.var.services.incidents().addNote(id, c.var.principal.userId, text)
    return c.json(await handled(c, 'incident_noted', outcome))
  })

export const errorRoutes = new Hono<AppEnv>().get(
  '/',
  permit('admin:incidents:read'),
  validate('query', listErrorsQuery),
  async (c) => {
    const { group = 'fingerprint', ...query } = c.req.valid('query')
    const to = query.to === undefined ? Date.now() : Date.parse(query.to)
    const from = query.from === undefined ? to - DAY_MS : Date.parse(query.from)
    if (from >= to || to - from > ERROR_DAYS * DAY_MS) {
      const detail = `The field "from" must lie up to ${ERROR_DAYS} days before "to".`
      throw new AppError('validation_failed', detail, { field: 'from' })
    }
    const { rows, truncated } = await c.var.services.incidents().errors(group, from, to)
    const iso = (at: number): string => new Date(at).toISOString()
    const answer: ErrorsAnswer = { from: iso(from), to: iso(to), group, rows, truncated }
    return c.json(answer)
  },
)

/** One that cannot be an id names no incident. @throws AppError `not_found` */
function numberOf(id: string): number {
  if (!incidentParam.safeParse({ id }).success) throw new AppError('not_found', 'There is no such incident.')
  return Number(id.slice(1))
}

/** @throws AppError as the outcome says */
async function handled(
  c: Context<AppEnv>,
  action: AuditAction,
  outcome: Result<IncidentDetail>,
): Promise<IncidentDetail> {
  const incident = unwrap(outcome)
  await auditAfter(c, action, `incident:${incident.id}`)
  return incident
}
