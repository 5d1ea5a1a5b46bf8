/**
 * `/api/admin/incidents` and `/api/admin/errors`: what they show, who did what in the trail, ids that are none, pages; and
 * that they go on while D1 does not answer.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { errorsAnswer, incidentDetail, incidentPage, MAX_NOTES } from '../../src/protocol/incidents.ts'
import { eraseAnswer } from '../../src/protocol/privacy.ts'
import { calls, failures, IncidentWorld, MINUTE } from '../support/incident-world.ts'
import { untilErased } from './erasures.ts'
import { askerWith, problemFrom } from './http-checks.ts'
import { personWith, trailOf, type Person } from './people.ts'

const object = env.INCIDENTS.get(env.INCIDENTS.idFromName('global'))
const hours = (n: number): string => new Date(Date.now() + n * 60 * MINUTE).toISOString()

let moderator: Person
beforeEach(async () => {
  moderator = await personWith('moderator')
})

/** Opens so many incidents, all over but the newest, in the object that the routes ask; the newest is `i<n>`. */
beforeAll(async () => {
  await runInDurableObject(object, async (_, { storage }) => {
    const world = new IncidentWorld(storage)
    world.now = Date.now() - 10 * 60 * MINUTE
    for (let i = 0; i < 5; i++) {
      await world.keep(2 * MINUTE, () => ({
        models: [calls(`p${i}`, 0, { server: 30 })],
        failures: [failures(`kind-${i}`, 30, { provider: `p${i}` })],
      }))
      if (i < 4) world.desk.resolve(i + 1, 'user:somebody', null)
    }
  })
})

const get = (path: string, by = moderator) => by.request('GET', `/api/admin/incidents${path}`)
const post = (path: string, body?: unknown, by = moderator) =>
  by.request('POST', `/api/admin/incidents${path}`, body)
const detail = async (response: Response) => {
  expect(response.status).toBe(200)
  return incidentDetail.strict().parse(await response.json())
}

describe('reading', () => {
  test('N12 goes by pages, newest first, each once, and by state', async () => {
    const seen: string[] = []
    let next: string | null = ''
    do {
      const cursor: string = next ? `&cursor=${encodeURIComponent(next)}` : ''
      const page = incidentPage.strict().parse(await (await get(`?limit=2${cursor}`)).json())
      seen.push(...page.incidents.map(({ id }) => id))
      next = page.next
    } while (next)
    expect(seen).toEqual(['i5', 'i4', 'i3', 'i2', 'i1'])
    const resolved = incidentPage.parse(await (await get('?state=resolved&limit=1')).json())
    expect(resolved).toMatchObject({ incidents: [{ id: 'i4', state: 'resolved' }], next: expect.any(String) })
  })

  test('N12 shows one with its timeline, and leaves no entry in the trail', async () => {
    const found = await detail(await get('/i1'))
    expect(found).toMatchObject({ id: 'i1', subject: 'p0', resolvedBy: 'user:somebody' })
    expect(found.timeline.map(({ kind }) => kind)).toEqual(['opened', 'peaked', 'resolved'])
    expect(await trailOf({ actor: moderator.id })).toEqual([])
  })

  test('N11 gives the post-mortem as a file of Markdown', async () => {
    const response = await get('/i1/post-mortem')
    expect(response.headers.get('content-type')).toBe('text/markdown; charset=utf-8')
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="incident-i1.md"')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await response.text()).toMatch(/^# Post-mortem: Many calls fail\\: p0 \(i1\)\n/)
  })

  test.each(['i0', '1', 'i01', 'i1x', 'I1', 'i9999999999999', '__proto__', 'i1%0d%0a', 'i999'])(
    'knows no %s',
    async (id) => {
      await problemFrom(await get(`/${id}`), 404, 'not_found')
      await problemFrom(await get(`/${id}/post-mortem`), 404, 'not_found')
      await problemFrom(await post(`/${id}/acknowledge`), 404, 'not_found')
      await problemFrom(await post(`/${id}/resolve`, {}), 404, 'not_found')
      await problemFrom(await post(`/${id}/notes`, { text: 'x' }), 404, 'not_found')
      expect(await trailOf({ actor: moderator.id })).toEqual([])
    },
  )

  test.each(['state=closed', 'limit=0', 'limit=201', 'cursor=x', 'cursor=a~0', 'cursor=a~-1', 'q=1'])(
    'refuses ?%s',
    async (query) => void (await problemFrom(await get(`?${query}`), 422, 'validation_failed')),
  )
})

describe('handling', () => {
  test('N6 N7 is in the timeline and in the trail, under who did it; a repeat changes nothing', async () => {
    const admin = await personWith('admin')
    expect(await detail(await post('/i5/acknowledge'))).toMatchObject({
      state: 'acknowledged',
      acknowledgedBy: moderator.id,
    })
    expect(await detail(await post('/i5/acknowledge', undefined, admin))).toMatchObject({
      acknowledgedBy: moderator.id,
    })
    await detail(await post('/i5/notes', { text: ' first line\r\nsecond line ' }))
    const over = await detail(await post('/i5/resolve', { note: 'restarted' }, admin))
    expect(over).toMatchObject({ state: 'resolved', resolvedBy: admin.id })
    expect(
      over.timeline.filter(({ by }) => by !== null).map(({ kind, text, by }) => [kind, text, by]),
    ).toEqual([
      ['acknowledged', 'somebody looks after it', moderator.id],
      ['note', 'first line\nsecond line', moderator.id],
      ['note', 'restarted', admin.id],
      ['resolved', 'by hand', admin.id],
    ])
    expect(await detail(await post('/i5/resolve'))).toMatchObject({ resolvedBy: admin.id })
    await problemFrom(await post('/i5/acknowledge'), 409, 'conflict')
    expect((await trailOf({ resource: 'incident:i5' })).map(({ action, actor }) => [action, actor])).toEqual([
      ['incident_resolved', moderator.id],
      ['incident_resolved', admin.id],
      ['incident_noted', moderator.id],
      ['incident_acknowledged', admin.id],
      ['incident_acknowledged', moderator.id],
    ])
    const entries = await trailOf({ resource: 'incident:i5' })
    // What people wrote is not for the trail.
    expect(JSON.stringify(entries)).not.toContain('restarted')
  })

  test('N12 goes on while D1 does not answer', async () => {
    const token = { authorization: `Bearer ${moderator.token}` }
    const broken = new Proxy(env.DB, {
      get(db, name) {
        if (name === 'batch') return () => Promise.reject(new Error('D1 is down'))
        return (Reflect.get(db, name) as (...args: unknown[]) => unknown).bind(db)
      },
    })
    const ask = askerWith({ DB: broken })
    expect((await ask('/api/admin/incidents', { headers: token })).status).toBe(200)
    const response = await ask('/api/admin/incidents/i1/notes', {
      method: 'POST',
      headers: { ...token, 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'while it was down' }),
    })
    const { timeline } = await detail(response)
    expect(timeline.at(-1)).toMatchObject({ kind: 'note', text: 'while it was down', by: moderator.id })
    expect(await trailOf({ actor: moderator.id })).toEqual([])
  })

  test.each([
    {},
    { text: '' },
    { text: ' \n ' },
    { text: 'x'.repeat(4_001) },
    { text: 'a\u001b[31m' },
    { note: 'x' },
  ])(
    'refuses the note %j',
    async (body) => void (await problemFrom(await post('/i1/notes', body), 422, 'validation_failed')),
  )

  test.each([{ note: '' }, { note: 5 }, { text: 'x' }])('refuses to resolve with %j', async (body) => {
    await problemFrom(await post('/i1/resolve', body), 422, 'validation_failed')
  })

  test(`takes ${MAX_NOTES} notes of one incident`, async () => {
    await runInDurableObject(object, (instance) => {
      for (let i = 0; i < MAX_NOTES; i++) instance.addNote(2, 'user:somebody', `note ${i}`)
    })
    await problemFrom(await post('/i2/notes', { text: 'one more' }), 409, 'conflict')
  })
})

describe('errors', () => {
  const errors = async (query: string) => await moderator.request('GET', `/api/admin/errors?${query}`)

  test('N10 are counted by what was asked for, within the time that was asked for', async () => {
    const answer = errorsAnswer.strict().parse(await (await errors('group=provider')).json())
    expect(answer.rows.map(({ key }) => String(key)).toSorted()).toEqual(['p0', 'p1', 'p2', 'p3', 'p4'])
    expect(answer).toMatchObject({ group: 'provider', truncated: false })
    const byKind = errorsAnswer.parse(await (await errors('')).json())
    expect(byKind.rows[0]).toMatchObject({
      kind: 'server',
      detail: expect.stringMatching(/^detail of kind-/),
    })
    const later = errorsAnswer.parse(await (await errors(`from=${hours(-2)}&to=${hours(-1)}`)).json())
    expect(later.rows).toEqual([])
  })

  test.each([
    `from=${hours(-15 * 24)}`,
    `from=${hours(1)}`,
    `from=${hours(-1)}&to=${hours(-2)}`,
    'from=yesterday',
    'group=user',
    'limit=5',
  ])('refuses ?%s', async (query) => void (await problemFrom(await errors(query), 422, 'validation_failed')))
})

test('whoever is erased is named in no incident any more', async () => {
  await post('/i3/notes', { text: 'mine' })
  const erasure = await moderator.request('DELETE', '/api/me', {})
  await untilErased(moderator.id, eraseAnswer.parse(await erasure.json()).receiptId)
  const found = await detail(await get('/i3', await personWith('moderator')))
  expect(found.timeline.at(-1)).toMatchObject({ text: 'mine', by: expect.stringMatching(/^erased:/) })
  expect(JSON.stringify(found)).not.toContain(moderator.id)
})
