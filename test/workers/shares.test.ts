/**
 * Share links: one branch, and nothing else of the conversation. What is shown is searched for everything that must not be
 * there.
 */
import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { shareList, sharedBranch, type SharedBranch } from '../../src/protocol/members.ts'
import { textOf } from '../../src/protocol/message.ts'
import { problemFrom } from './http-checks.ts'
import { add, share } from './shared-conversation.ts'
import { held, newConversation } from './started-conversation.ts'
import { Guest, ask, message, model, problemOf, stubOf, unique } from './worker-guest.ts'

const open = (token: string, init?: RequestInit): Promise<Response> => ask(`/api/shares/${token}`, init)

async function shown(token: string): Promise<SharedBranch> {
  const response = await open(token)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return sharedBranch.strict().parse(await response.json())
}

const texts = ({ messages }: SharedBranch): string[] => messages.map((one) => one.text)

/** Says something as a child of `parentId`, and waits for the answer. */
async function say(guest: Guest, id: string, text: string, parentId?: string | null) {
  const socket = await guest.join(id)
  const content = `${text} ${message(unique(), `text=answer-to-${text}`)}`
  const accepted = await socket.chat(content, parentId === undefined ? {} : { parentId })
  await socket.next('stream_complete')
  socket.close()
  return { ...accepted, content }
}

describe('a share', () => {
  test('M11 shows one branch from its root, and no id, name or text of anything else', async () => {
    const { guest: owner, id } = await newConversation('The title')
    const editor = await Guest.arrive()
    await add(owner, id, editor, 'editor')
    const first = await say(owner, id, 'first')
    const other = await say(editor, id, 'other-branch', null)
    const second = await say(editor, id, 'second', first.answerId)
    const { token, ...made } = await share(owner, id, { mode: 'snapshot', messageId: second.answerId })
    expect(token).toMatch(/^shr_[\w-]{43}$/)
    const branch = await shown(token)
    expect(branch).toMatchObject({
      title: 'The title',
      mode: 'snapshot',
      sharedAt: made.createdAt,
      isWhole: true,
      messages: [
        { role: 'user', text: first.content },
        { role: 'assistant', text: 'answer-to-first' },
        { role: 'user', text: second.content },
        { role: 'assistant', text: 'answer-to-second' },
      ],
    })
    const text = await (await open(token)).text()
    const hidden = [id, made.id, owner.userId, owner.name, editor.userId, editor.name, 'other-branch', token]
    for (const { clientId = '-', turnId } of await owner.messages(id)) hidden.push(clientId, `"${turnId}"`)
    hidden.push(other.content, 'authorId', 'parentId', 'turnId', 'clientId', '"id"', 'usage', 'test-model')
    for (const secret of hidden.filter((one) => one !== '-')) expect(text).not.toContain(secret)
  })

  test('M11 a snapshot stays as it was: later text and a later title are not in it', async () => {
    const { guest: owner, id } = await newConversation('Then')
    await say(owner, id, 'first')
    const snapshot = await share(owner, id, { mode: 'snapshot' })
    const live = await share(owner, id, { mode: 'live' })
    const before = await shown(snapshot.token)
    await say(owner, id, 'later')
    await owner.request('PATCH', `/api/conversations/${id}`, { title: 'Now' })
    await evictDurableObject(stubOf(id))
    expect(await shown(snapshot.token)).toEqual(before)
    const now = await shown(live.token)
    expect(now.title).toBe('Now')
    expect(texts(now)).toEqual((await owner.messages(id)).map(textOf))
  })

  test('M11 a live one shows the branch of the newest answer, without what is being written', async () => {
    const { guest: owner, id, gate, socket, partial } = await held(8, 4)
    const { token } = await share(owner, id, { mode: 'live' })
    expect(await shown(token)).toMatchObject({ mode: 'live', messages: [], isWhole: true })
    expect(await (await open(token)).text()).not.toContain(partial)
    await model.openGate(gate)
    await socket.next('stream_complete')
    expect(await shown(token)).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant' }] })
    await say(owner, id, 'elsewhere', null)
    const now = await shown(token)
    expect(now.messages.map((one) => one.text)).toEqual([
      expect.stringContaining('elsewhere'),
      'answer-to-elsewhere',
    ])
  })

  test('M11 a message that is being written cannot be the end of a snapshot, nor one that is not there', async () => {
    const { guest: owner, id, gate, socket } = await held(8, 4)
    const at = `/api/conversations/${id}/shares`
    await problemFrom(await owner.request('POST', at, { mode: 'snapshot' }), 409, 'conflict')
    for (const messageId of ['m2', 'm99']) {
      const response = await owner.request('POST', at, { mode: 'snapshot', messageId })
      expect((await problemFrom(response, 404, 'not_found')).field).toBe('messageId')
    }
    await model.openGate(gate)
    await socket.next('stream_complete')
  })

  test('M12 says that it is not for caches, referrers and search engines, also when it is refused', async () => {
    const { guest: owner, id } = await newConversation()
    await say(owner, id, 'first')
    const { token } = await share(owner, id, { mode: 'live' })
    for (const response of [await open(token), await open('shr_nothing')]) {
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.get('referrer-policy')).toBe('no-referrer')
      expect(response.headers.get('x-robots-tag')).toBe('noindex, nofollow')
    }
  })

  test('M10 that is unknown, revoked, expired or of a deleted conversation is the same: not there', async () => {
    const [{ guest: owner, id }, { guest: other, id: deleted }] = await Promise.all([
      newConversation(),
      newConversation(),
    ])
    const revoked = await share(owner, id, { mode: 'live' })
    expect((await shown(revoked.token)).messages).toEqual([])
    const path = `/api/conversations/${id}/shares/${revoked.id}`
    expect((await owner.request('DELETE', path)).status).toBe(204)
    await problemFrom(await owner.request('DELETE', path), 404, 'not_found')
    const expired = await share(owner, id, { mode: 'live', expiresInDays: 1 })
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec('UPDATE shares SET expires_at = 1 WHERE id = ?', expired.id)
    })
    const gone = await share(other, deleted, { mode: 'live' })
    await other.request('DELETE', `/api/conversations/${deleted}`)
    const problems = []
    for (const token of [
      `shr_${'A'.repeat(43)}`,
      'shr_',
      'x',
      revoked.token.replace('shr_', 'inv_'),
      revoked.token,
      expired.token,
      gone.token,
    ]) {
      const answer = await open(token)
      expect(answer.status, token).toBe(404)
      problems.push(JSON.stringify(await problemOf(answer)))
    }
    expect(new Set(problems).size).toBe(1)
  })

  test('M12 one that asks for an account shows nothing to guests and strangers', async () => {
    const { guest: owner, id } = await newConversation()
    await say(owner, id, 'first')
    const { token, requireSignIn } = await share(owner, id, { mode: 'live', requireSignIn: true })
    expect(requireSignIn).toBe(true)
    await problemFrom(await open(token), 401, 'unauthorized')
    await problemFrom(await owner.request('GET', `/api/shares/${token}`), 401, 'unauthorized')
    await problemFrom(await open(token, { headers: { authorization: 'Bearer no' } }), 401, 'unauthorized')
    const name = `Reader ${unique().slice(0, 8)}`
    const registered = await ask('/api/auth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: `${unique()}@example.com`, password: `horse battery ${unique()}`, name }),
    })
    const { accessToken } = await registered.json<{ accessToken: string }>()
    const answer = await open(token, { headers: { authorization: `Bearer ${accessToken}` } })
    expect(answer.status).toBe(200)
    expect(texts(sharedBranch.parse(await answer.json()))).toContain('answer-to-first')
  })

  test('its token is stored nowhere, and shown once', async () => {
    const { guest: owner, id } = await newConversation()
    const { token, ...made } = await share(owner, id, { mode: 'live' })
    const response = await owner.request('GET', `/api/conversations/${id}/shares`)
    expect(shareList.strict().parse(await response.json()).shares).toEqual([made])
    const rows = await runInDurableObject(stubOf(id), (_, { storage }) =>
      storage.sql.exec('SELECT * FROM shares').toArray(),
    )
    const { results } = await env.DB.prepare('SELECT * FROM links').all()
    expect(JSON.stringify([rows, results])).not.toContain(token.slice(4))
  })

  test.each([
    [{}, 'mode'],
    [{ mode: 'all' }, 'mode'],
    [{ mode: 'live', messageId: 'm1' }, 'messageId'],
    [{ mode: 'snapshot', messageId: '1' }, 'messageId'],
    [{ mode: 'live', expiresInDays: 0 }, 'expiresInDays'],
    [{ mode: 'live', requireSignIn: 'yes' }, 'requireSignIn'],
    [{ mode: 'live', ownerId: 'user:x' }, 'ownerId'],
  ])('that is asked for wrongly is refused: %j', async (body, field) => {
    const { guest: owner, id } = await newConversation()
    const response = await owner.request('POST', `/api/conversations/${id}/shares`, body)
    expect((await problemFrom(response, 422, 'validation_failed')).field).toBe(field)
  })
})
