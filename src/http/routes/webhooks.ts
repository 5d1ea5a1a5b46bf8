/**
 * `/api/webhooks` and `/api/admin/webhooks`: the endpoints that one is told at oneself, and those of the operators.
 * A secret is in the answer that makes it, and nowhere else. The trail holds ids and names of events, never an address,
 * because an address may hold a token.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import type { RoleAction } from '../../protocol/permissions.ts'
import * as shapes from '../../protocol/webhooks.ts'
import { byOf } from '../caller.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

/** One's own, or those of the operators. */
interface Whose {
  readonly action: RoleAction
  readonly body: typeof shapes.createWebhookBody | typeof shapes.createAlertWebhookBody
  /** Null stands for the operators. */
  readonly ownerOf: (userId: string) => string | null
}

export const webhookRoutes = routesOf({
  action: 'webhooks:manage',
  body: shapes.createWebhookBody,
  ownerOf: (userId) => userId,
})

export const adminWebhookRoutes = routesOf({
  action: 'admin:webhooks:manage',
  body: shapes.createAlertWebhookBody,
  ownerOf: () => null,
})

function routesOf({ action, body, ownerOf }: Whose) {
  return new Hono<AppEnv>()
    .get('/', permit(action), async (c) => {
      const { services, principal } = c.var
      const webhooks = await services.webhooks.endpoints.list(ownerOf(principal.userId))
      return c.json({ webhooks } satisfies shapes.WebhooksAnswer)
    })
    .post('/', permit(action), jsonOnly(), validate('json', body), async (c) => {
      const { services, principal } = c.var
      const { host } = new URL(c.req.url)
      const wanted = c.req.valid('json')
      const made = await services.webhooks.endpoints.create(ownerOf(principal.userId), wanted, host, byOf(c))
      return c.json(made satisfies shapes.WebhookSecretAnswer, 201)
    })
    .delete('/:id', permit(action), validate('param', shapes.webhookParam), async (c) => {
      const { services, principal } = c.var
      const { id } = c.req.valid('param')
      await services.webhooks.endpoints.remove(ownerOf(principal.userId), id, byOf(c))
      return c.body(null, 204)
    })
    .post('/:id/rotate', permit(action), validate('param', shapes.webhookParam), async (c) => {
      const { services, principal } = c.var
      const { id } = c.req.valid('param')
      const rotated = await services.webhooks.endpoints.rotate(ownerOf(principal.userId), id, byOf(c))
      return c.json(rotated satisfies shapes.WebhookSecretAnswer)
    })
    .post('/:id/test', permit(action), validate('param', shapes.webhookParam), async (c) => {
      const { services, principal } = c.var
      const { id } = c.req.valid('param')
      const tried = await services.webhooks.endpoints.test(ownerOf(principal.userId), id)
      await c.var.audit('webhook_tested', `webhook:${id}`, { outcome: tried.outcome })
      return c.json(tried satisfies shapes.TestAnswer)
    })
    .get('/:id/deliveries', permit(action), validate('param', shapes.webhookParam), async (c) => {
      const { services, principal } = c.var
      const { id } = c.req.valid('param')
      const deliveries = await services.webhooks.endpoints.deliveries(ownerOf(principal.userId), id)
      return c.json({ deliveries } satisfies shapes.DeliveriesAnswer)
    })
}
