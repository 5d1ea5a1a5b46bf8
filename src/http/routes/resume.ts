/**
 * `GET /api/conversations/:id/messages/:messageId/stream`: an answer from where the caller's last event left off (rule S3).
 * When nothing is left it says so with 204, because an EventSource comes back after a stream that just ends.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError, unwrap } from '../../errors.ts'
import { parseLastEventId } from '../../codecs/sse.ts'
import { conversationParam, messageParam } from '../conversation-param.ts'
import { permit } from '../permit.ts'
import { resumedSseResponse } from '../frame-stream.ts'

export const resumeRoutes = new Hono<AppEnv>().get(
  '/:id/messages/:messageId/stream',
  permit('conversation:read'),
  conversationParam(),
  messageParam(),
  async (c) => {
    const { services, principal } = c.var
    const header = c.req.header('last-event-id')
    const from = header === undefined ? undefined : parseLastEventId(header)
    if (from === null) {
      throw new AppError(
        'validation_failed',
        'The header "Last-Event-ID" is not one that this stream gave.',
        { field: 'Last-Event-ID' },
      )
    }
    const stub = services.conversation(c.req.param('id'))
    const lines = unwrap(await stub.follow(principal, c.req.param('messageId'), from?.after ?? 0, from?.have))
    return (await resumedSseResponse(lines, from)) ?? c.body(null, 204)
  },
)
