/**
 * Links of an owner who is suspended: answered like none that there is, at whatever time they were made, until the
 * suspension ends; and what following one costs.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { tellAll } from './limited-people.ts'
import { personWith } from './people.ts'
import { accept, invite, membersOf, share } from './shared-conversation.ts'
import { answered } from './started-conversation.ts'
import { Guest, ask, problemOf } from './worker-guest.ts'

const UNKNOWN = 'A'.repeat(43)
const open = (token: string): Promise<Response> => ask(`/api/shares/${token}`)

/** An owner with an answer to share, and both kinds of link to it. */
async function linked() {
  const { guest: owner, id } = await answered()
  const links = {
    invite: (await invite(owner, id, { role: 'editor' })).token,
    share: (await share(owner, id, { mode: 'snapshot' })).token,
  }
  return { owner, id, links }
}

describe('links of a suspended owner', () => {
  test('M14 are answered as unknown ones while the suspension lasts, and serve again afterwards', async () => {
    const [{ owner, id, links }, admin, guest] = [
      await linked(),
      await personWith('admin'),
      await Guest.arrive(),
    ]
    const path = `/api/admin/users/${owner.userId}`
    expect((await admin.request('POST', `${path}/suspend`, { reason: 'spam' })).status).toBe(200)
    for (const [answer, unknown] of [
      [await open(links.share), await open(`shr_${UNKNOWN}`)],
      [await accept(guest, links.invite), await accept(guest, `inv_${UNKNOWN}`)],
    ] as const)
      expect(await problemOf(answer)).toEqual(await problemOf(unknown))
    expect((await admin.request('POST', `${path}/unsuspend`)).status).toBe(200)
    expect((await open(links.share)).status).toBe(200)
    expect((await accept(guest, links.invite)).status).toBe(200)
    expect((await membersOf(guest, id)).you).toBe('editor')
  })

  test('M14 cost no query beside the one that finds where a link leads', async () => {
    const { id, links } = await linked()
    // What D1 is told of the turn must not be counted.
    await tellAll(id)
    const queries = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'prepare')
    expect((await open(links.share)).status).toBe(200)
    expect(queries).toHaveBeenCalledTimes(1)
    queries.mockRestore()
  })
})
