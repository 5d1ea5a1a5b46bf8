/**
 * Taking one's data away: `GET /api/me/export` streams it, `DELETE /api/me` erases it, `GET /api/erasures/:id` is the receipt,
 * which whoever holds its id may read: who asked for it has no account any more.
 */
import { Hono, type Context } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import * as shapes from '../../protocol/privacy.ts'
import { permit } from '../permit.ts'
import { changePerson } from '../person-change.ts'
import { jsonOnly, validate } from '../validate.ts'

export const privacyRoutes = new Hono<AppEnv>()
  .get('/export', permit('account:export'), async (c) => {
    const { services, principal } = c.var
    await c.var.audit('export', principal.userId)
    const date = new Date().toISOString().slice(0, 10)
    return c.body(services.privacy.export(principal), 200, {
      'content-type': 'application/json; charset=utf-8',
      'content-disposition': `attachment; filename="parley-export-${date}.json"`,
      'cache-control': 'no-store',
    })
  })
  .delete('/', permit('account:erase'), jsonOnly(), validate('json', shapes.eraseBody), async (c) => {
    const { services, principal } = c.var
    const { password } = c.req.valid('json')
    const account = await services.identity.account(principal.userId)
    if (account?.passwordHash != null) {
      if (password === undefined)
        throw new AppError('forbidden', 'Say your password: this cannot be undone.', { field: 'password' })
      const address = c.req.header('cf-connecting-ip') ?? ''
      await services.identity.accounts.confirm(principal.userId, password, address)
    }
    await stepDown(c)
    await c.var.audit('erasure_requested', principal.userId)
    const receiptId = await services.privacy.erase(principal.userId)
    const answer: shapes.EraseAnswer = { receiptId, statusUrl: `/api/erasures/${receiptId}` }
    return c.json(answer, 202)
  })

/**
 * An admin with an account here is none any more before their erasure begins: their row goes late, and until then another who
 * goes would count on them. Who is an admin by the provider's word can be made one by it again.
 *
 * @throws AppError `last_admin`
 */
async function stepDown(c: Context<AppEnv>): Promise<void> {
  const person = await c.var.services.people.find(c.var.principal.userId)
  if (person?.role === 'admin' && !person.id.startsWith('oidc:'))
    await changePerson(c, person, { role: 'user' })
}

export const erasureRoutes = new Hono<AppEnv>().get('/:id', permit('public'), async (c) => {
  const id = shapes.receiptId.safeParse(c.req.param('id'))
  const receipt = id.success ? await c.var.services.privacy.receipt(id.data) : null
  if (!receipt) throw new AppError('not_found', 'There is no such receipt.')
  return c.json(receipt, 200, { 'cache-control': 'no-store' })
})
