/**
 * `POST /api/chat` waits for the answer, `POST /api/chat/stream` streams it. Both are the path that a socket's
 * `stream_chat` takes: accept, then read the log. Resuming a stream is `resume.ts`.
 */
import { Hono, type Context } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError, ERRORS, unwrap, type ErrorCode } from '../../errors.ts'
import { DEFAULT_AGENT } from '../../protocol/agent-config.ts'
import { chatBody, type ChatAnswer, type ChatBody } from '../../protocol/http.ts'
import type { Message } from '../../protocol/message.ts'
import type { FrameOf } from '../../protocol/server-frames.ts'
import type { ConversationStub } from '../../services.ts'
import { conversationOf } from '../conversation-id.ts'
import { sseResponse } from '../frame-stream.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

export const chatRoutes = new Hono<AppEnv>()
  .post('/', permit('conversation:write'), jsonOnly(), validate('json', chatBody), async (c) => {
    const { conversationId, accepted } = await accept(c, c.req.valid('json'))
    const message = await answerOf(c, conversationId, accepted.turnId)
    const failed = failureOf(message)
    if (failed) throw failed
    const answer: ChatAnswer = { conversationId, turnId: accepted.turnId, message }
    if (c.var.services.agents.get(message.agentId ?? DEFAULT_AGENT).cache) {
      const isStale = message.cached && message.degraded
      c.header('x-cache', isStale ? 'stale' : message.cached ? 'hit' : 'miss')
    }
    return c.json(answer)
  })
  .post('/stream', permit('conversation:write'), jsonOnly(), validate('json', chatBody), async (c) => {
    const { conversationId, stub, accepted } = await accept(c, c.req.valid('json'))
    const lines = unwrap(await stub.follow(c.var.principal, accepted.answerId, 0, undefined))
    const response = sseResponse(lines, undefined, [{ type: 'message_accepted', ...accepted }])
    response.headers.set('x-conversation-id', conversationId)
    return response
  })

interface AcceptedChat {
  readonly conversationId: string
  readonly stub: ConversationStub
  readonly accepted: Omit<FrameOf<'message_accepted'>, 'type'>
}

async function accept(c: Context<AppEnv>, body: ChatBody): Promise<AcceptedChat> {
  const { services, principal, requestId } = c.var
  const id = body.idempotencyKey ?? crypto.randomUUID()
  const conversationId = body.conversationId ?? (await conversationOf(principal.userId, body.idempotencyKey))
  const stub = services.conversation(conversationId)
  const { message: content, agentId, priority, model } = body
  const input = { id, content, agentId, priority, model, requestId }
  const result = await (body.conversationId === undefined
    ? stub.begin(principal, conversationId, input)
    : stub.chat(principal, input))
  // Over HTTP the client's id of a message has another name.
  const accepted = unwrap(
    result.ok || result.error.field !== 'id'
      ? result
      : { ok: false, error: { ...result.error, field: 'idempotencyKey' } },
  )
  return { conversationId, stub, accepted: { id, ...accepted } }
}

/** How often a wait is taken up again when the conversation's process dies under it. */
const WAITS = 3

/** Waits for the end of a turn, also across a restart of the conversation's object. */
async function answerOf(c: Context<AppEnv>, conversationId: string, turnId: string): Promise<Message> {
  const { services, principal } = c.var
  for (let wait = 1; ; wait++) {
    try {
      // A stub whose object died stays broken: each wait takes a new one.
      return unwrap(await services.conversation(conversationId).answer(principal, turnId))
    } catch (error) {
      if (error instanceof AppError || wait >= WAITS) throw error
      c.var.logger.warn('answer_wait_resumed', { conversationId, turnId, error: String(error) })
    }
  }
}

function failureOf(message: Message): AppError | null {
  if (message.status !== 'failed' && message.status !== 'interrupted') return null
  const error = message.error ?? { code: 'internal', detail: 'The answer failed.', retryable: true }
  const code: ErrorCode = isCode(error.code) ? error.code : 'internal'
  return new AppError(code, error.detail, error)
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}
