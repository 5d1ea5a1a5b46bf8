/**
 * `/api/admin/providers` and `/api/admin/switches`: how the providers are, the kill switch, and closing a breaker by hand.
 * Those in charge of people may look; only admins switch.
 *
 * The switch comes first and its entry of the audit trail after it, unlike elsewhere: it must work while D1 does not. Who
 * and why is kept with the switch itself, too.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import { providerName } from '../../protocol/ids.ts'
import { resetBody, switchBody, type ResetAnswer, type SwitchState } from '../../protocol/operations.ts'
import type { Services } from '../../services.ts'
import { auditAfter, auditWatching } from '../late-audit.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

export const providerRoutes = new Hono<AppEnv>()
  .get('/', permit('admin:operations:read'), async (c) => {
    auditWatching(c, 'admin_providers_read')
    return c.json(await c.var.services.operations.providers())
  })
  .post(
    '/:name/reset',
    permit('admin:operations:switch'),
    jsonOnly(),
    validate('json', resetBody),
    async (c) => {
      const { model = null } = c.req.valid('json')
      const { services, principal } = c.var
      const name = providerName.safeParse(c.req.param('name')).data
      if (name === undefined) throw new AppError('not_found', NO_PROVIDER)
      const answer: ResetAnswer = await services.operations.reset(name, model, principal.userId)
      // What is not configured (any more) and has a breaker can be closed all the same.
      if (answer.closed.length === 0) mustOffer(services.providers(), name, model)
      await auditAfter(c, 'breaker_reset', `provider:${name}`, {
        model: model?.slice(0, MAX_DETAIL_CHARS) ?? null,
        closed: answer.closed.length,
      })
      return c.json(answer)
    },
  )

export const switchRoutes = new Hono<AppEnv>().post(
  '/',
  permit('admin:operations:switch'),
  jsonOnly(),
  validate('json', switchBody),
  async (c) => {
    const { target, paused, reason = '', stopRunning = false } = c.req.valid('json')
    const { services, principal } = c.var
    const isKnown = targetsOf(services.providers()).has(target)
    if (paused && !isKnown) throw unknownTarget()
    if (paused) {
      const answer = await services.operations.pause(target, reason, principal.userId, stopRunning)
      await auditAfter(c, 'switch_paused', resourceOf(target), { stopRunning })
      return c.json(answer)
    }
    const { wasPaused, ...answer } = await services.operations.resume(target, principal.userId)
    // What was paused and is not configured any more can be let go all the same.
    if (!isKnown && !wasPaused) throw unknownTarget()
    await auditAfter(c, 'switch_resumed', resourceOf(target), { wasPaused })
    return c.json(answer satisfies SwitchState)
  },
)

/** Longest text in the details of an entry. */
const MAX_DETAIL_CHARS = 200

const NO_PROVIDER = 'There is no such provider.'

/** @throws AppError when this provider, or this model of it, is not configured */
function mustOffer(providers: ReturnType<Services['providers']>, name: string, model: string | null): void {
  const provider = providers.find((each) => each.name === name)
  if (!provider) throw new AppError('not_found', NO_PROVIDER)
  if (model !== null && !provider.models.includes(model))
    throw new AppError('validation_failed', 'The field "model" names no model of this provider.', {
      field: 'model',
    })
}

function targetsOf(providers: ReturnType<Services['providers']>): Set<string> {
  return new Set([
    'all',
    ...providers.map(({ name }) => `provider:${name}`),
    ...providers.flatMap(({ models }) => models.map((model) => `model:${model}`)),
  ])
}

const resourceOf = (target: string): string => (target === 'all' ? 'turns:all' : target)

function unknownTarget(): AppError {
  return new AppError('validation_failed', 'The field "target" names no provider and no model of ours.', {
    field: 'target',
  })
}
