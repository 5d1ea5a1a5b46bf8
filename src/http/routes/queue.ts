/**
 * `/api/queue`: what waits in front of providers that have limits, and sending a turn again that nobody took. For admins;
 * both are in the trail, the second before it is done.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import type { QueueAnswer, RequeueAnswer } from '../../protocol/queue.ts'
import { auditWatching } from '../late-audit.ts'
import { permit } from '../permit.ts'

export const queueRoutes = new Hono<AppEnv>()
  .get('/', permit('admin:queue:read'), async (c) => {
    auditWatching(c, 'admin_queue_read')
    const answer: QueueAnswer = { providers: await c.var.services.queues.report() }
    return c.json(answer)
  })
  .post('/dead-letters/:id/requeue', permit('admin:queue:update'), async (c) => {
    const { queues } = c.var.services
    const letter = await queues.findDeadLetter(c.req.param('id'))
    if (!letter) throw noSuchLetter()
    const { provider, turnId, conversationId } = letter
    await c.var.audit('dead_letter_requeued', `conversation:${conversationId}`, { provider, turn: turnId })
    if (!(await queues.requeue(letter.id))) throw noSuchLetter()
    const answer: RequeueAnswer = { requeued: true }
    return c.json(answer)
  })

function noSuchLetter(): AppError {
  return new AppError('not_found', 'There is no such dead letter.')
}
