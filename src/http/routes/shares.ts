/**
 * Links that show one branch: `/api/conversations/:id/shares` for owners, `GET /api/shares/:token` for whoever holds one.
 * What is shown is not to be kept by caches, passed on by referrers, or found by search engines.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError, unwrap } from '../../errors.ts'
import { hashOfLinkToken, newLinkToken } from '../../auth/link-tokens.ts'
import { createShareBody, type CreatedShare } from '../../protocol/members.ts'
import type { Principal } from '../../protocol/principal.ts'
import { authenticate } from '../authenticate.ts'
import { conversationParam } from '../conversation-param.ts'
import { admit } from '../limit.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

const PRIVATE_HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-robots-tag': 'noindex, nofollow',
}

export const shareRoutes = new Hono<AppEnv>()
  .post(
    '/:id/shares',
    permit('conversation:share'),
    conversationParam(),
    jsonOnly(),
    validate('json', createShareBody),
    async (c) => {
      const { services, principal } = c.var
      const { token, hash } = await newLinkToken('share')
      const stub = services.conversation(c.req.param('id'))
      const share = unwrap(await stub.createShare(principal, c.req.valid('json'), hash))
      const answer: CreatedShare = { ...share, token }
      await c.var.audit('share_created', `conversation:${c.req.param('id')}`, {
        share: share.id,
        mode: share.mode,
      })
      return c.json(answer, 201, { 'cache-control': 'no-store' })
    },
  )
  .get('/:id/shares', permit('conversation:share'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    return c.json({ shares: unwrap(await services.conversation(c.req.param('id')).shares(principal)) })
  })
  .delete('/:id/shares/:shareId', permit('conversation:share'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    unwrap(await services.conversation(c.req.param('id')).revokeShare(principal, c.req.param('shareId')))
    await c.var.audit('share_revoked', `conversation:${c.req.param('id')}`, {
      share: c.req.param('shareId'),
    })
    return c.body(null, 204)
  })

export const sharedRoutes = new Hono<AppEnv>()
  // Before anything can go wrong: a refusal is not for caches either.
  .use(async (c, next) => {
    await next()
    for (const [name, value] of Object.entries(PRIVATE_HEADERS)) c.header(name, value)
  })
  .get(
    '/:token',
    permit('public'),
    async (c, next) => {
      // Who asks matters only to links for people with an account; who brings a token must bring a good one.
      if (c.req.header('authorization') === undefined) return await next()
      return await authenticate()(c, async () => {
        c.set('principal', await admit(c, c.var.principal, 'read'))
        await next()
      })
    },
    async (c) => {
      const { services } = c.var
      const hash = await hashOfLinkToken('share', c.req.param('token'))
      const id = hash && (await services.directory.findLink('share', hash))
      // Word for word what a conversation says of a share that does not serve any more.
      if (!id) throw new AppError('not_found', 'This share link does not exist, or is no longer valid.')
      const reader = c.get('principal') as Principal | undefined
      return c.json(unwrap(await services.conversation(id).shared(hash, reader?.kind === 'user')))
    },
  )
