/**
 * Single rules of the protocol on the client's state, and what a person's own messages go through.
 */
import { describe, expect, test } from 'vitest'
import {
  applyFrame,
  joinRequest,
  mayWrite,
  runningTurn,
  type ConversationState,
  type PendingMessage,
} from '../../src/client/index.ts'
import * as local from '../../src/client/pending.ts'
import { textOf } from '../../src/protocol/message.ts'
import type { FrameOf, ServerFrame } from '../../src/protocol/server-frames.ts'
import { AT, YOU } from '../support/conversation-model.ts'
import { joinedClient } from '../support/joined-client.ts'

const texts = (state: ConversationState) => state.messages.map(textOf)

const pending = (id: string, state: PendingMessage['state'] = 'waiting'): PendingMessage => ({
  id,
  content: 'hello',
  createdAt: AT,
  state,
})

const accepted = (id: string, messageId: string, duplicate = false): FrameOf<'message_accepted'> => {
  const answer = Number(messageId.slice(1)) + 1
  return { type: 'message_accepted', id, messageId, turnId: `t${answer}`, answerId: `m${answer}`, duplicate }
}

const refusal = (over: Partial<FrameOf<'error'>>): FrameOf<'error'> => ({
  type: 'error',
  code: 'queue_full',
  title: 'Too many messages are waiting',
  detail: '16 messages wait.',
  retryable: true,
  ...over,
})

describe('the log', () => {
  test('O1: an event that was applied is not applied again', () => {
    const client = joinedClient()
    client.model.say('one')
    const before = client.state
    for (const event of client.model.log) client.hear(event)
    expect(client.state).toBe(before)
  })

  test('O1: a gap asks for a join, and nothing is applied until it is answered', () => {
    const client = joinedClient()
    client.model.show = () => {}
    client.model.say('lost')
    client.model.show = client.hear
    client.model.say('heard')
    expect(client.state).toMatchObject({ needsRejoin: true, seq: 0, messages: [] })
    for (const frame of client.model.join(joinRequest(client.state))) client.hear(frame)
    expect(client.state.needsRejoin).toBe(false)
    expect(texts(client.state)).toEqual(['lost', 'heard'])
  })

  test('O4: a chunk cuts back to its offset; a chunk beyond the text asks for a join', () => {
    const client = joinedClient()
    client.model.say('?')
    client.model.start()
    client.model.delta('Hello world')
    client.hear({ type: 'stream_chunk', messageId: 'm2', offset: 5, delta: '!' })
    expect(texts(client.state)).toEqual(['?', 'Hello!'])
    client.hear({ type: 'stream_chunk', messageId: 'm2', offset: 7, delta: 'x' })
    expect(client.state.needsRejoin).toBe(true)
    expect(joinRequest(client.state)).toMatchObject({ after: 2, have: { messageId: 'm2', offset: 6 } })
  })

  test('O4: a chunk of a message that has ended changes nothing', () => {
    const client = joinedClient()
    client.model.say('?')
    client.model.start()
    client.model.delta('Done')
    client.model.end('completed')
    const before = client.state
    client.hear({ type: 'stream_chunk', messageId: 'm2', offset: 4, delta: ' and more' })
    expect(client.state).toBe(before)
  })

  test('O5: a new attempt voids the text of the one before', () => {
    const client = joinedClient()
    client.model.say('?')
    client.model.start()
    client.model.delta('never stored')
    client.model.crash(0)
    client.model.recover()
    expect(texts(client.state)).toEqual(['?', ''])
    expect(client.state.messages[1]?.status).toBe('streaming')
  })

  test('O6: the end cuts off what was not stored', () => {
    const client = joinedClient()
    client.model.say('?')
    client.model.start()
    client.model.delta('stored, and lost')
    client.model.crash(6)
    client.model.recover()
    expect(texts(client.state)).toEqual(['?', 'stored'])
    expect(client.state.messages[1]).toMatchObject({ status: 'interrupted', error: { retryable: true } })
  })

  test('O6: an end with more text than is held is not counted, so that a join brings it back', () => {
    const client = joinedClient()
    client.model.say('?')
    client.model.start()
    client.model.show = () => {}
    client.model.delta('missed')
    client.model.show = client.hear
    client.model.end('completed')
    expect(client.state).toMatchObject({ needsRejoin: true, seq: 2 })
    for (const frame of client.model.join(joinRequest(client.state))) client.hear(frame)
    expect(texts(client.state)).toEqual(['?', 'missed'])
    expect(client.state.messages[1]?.status).toBe('completed')
  })

  test('O3: a turn that is stopped while it waits leaves an empty, stopped answer', () => {
    const client = joinedClient()
    client.model.say('?')
    client.hear({
      type: 'stream_stopped',
      seq: 2,
      turnId: 't2',
      messageId: 'm2',
      parentId: 'm1',
      length: 0,
      at: AT,
    })
    expect(client.state.messages[1]).toMatchObject({ id: 'm2', status: 'stopped', parts: [] })
    expect(client.state.turns).toEqual([])
  })

  test('I1: messages stand in the order of their numbers, whenever they arrive', () => {
    const client = joinedClient()
    client.model.say('one')
    client.model.say('two')
    client.model.start()
    client.model.delta('first answer')
    expect(texts(client.state)).toEqual(['one', 'first answer', 'two'])
  })

  test('R7: after a join, a turn between acceptance and first token is known', () => {
    const client = joinedClient((model) => {
      model.say('one')
      model.say('two')
      model.start()
    })
    expect(runningTurn(client.state)?.messageId).toBe('m2')
    expect(client.state.turns).toMatchObject([
      { turnId: 't2' },
      { turnId: 't4', state: 'queued', position: 2 },
    ])
  })

  test('an event of a newer server keeps the count in step', () => {
    const client = joinedClient()
    client.model.say('one')
    client.hear({ type: 'unknown_event', seq: 2 } as unknown as ServerFrame)
    expect(client.state).toMatchObject({ seq: 2, needsRejoin: false })
  })

  test('a chunk of a message before the loaded page is not missed', () => {
    const client = joinedClient((model) => model.say('one'))
    const state = {
      ...client.state,
      before: 'm1',
      messages: client.state.messages.map((m) => ({ ...m, id: 'm9' })),
    }
    const frame: ServerFrame = { type: 'stream_chunk', messageId: 'm2', offset: 40, delta: 'x' }
    expect(applyFrame(state, frame)).toBe(state)
  })

  test('C2: a deleted conversation never changes again', () => {
    const client = joinedClient()
    client.model.say('one')
    client.hear({ type: 'conversation_deleted', conversationId: 'c' })
    const before = client.state
    client.model.say('two')
    expect(client.state).toBe(before)
    expect(client.state.phase).toBe('deleted')
  })
})

describe('own messages', () => {
  test('O2: an acknowledged message stays visible until its event takes its place', () => {
    const client = joinedClient()
    client.state = local.addPending(client.state, pending('c1', 'sending'))
    client.hear(accepted('c1', 'm1'))
    expect(client.state.pending).toMatchObject([{ id: 'c1', state: 'accepted' }])
    client.model.say('hello', 'c1')
    expect(client.state.pending).toEqual([])
    expect(texts(client.state)).toEqual(['hello'])
  })

  test('I3: a repeat that the log holds already is taken off the list by its acknowledgement', () => {
    const client = joinedClient((model) => {
      model.say('hello', 'c1')
      model.say('later', 'c2')
    })
    client.state = local.addPending(client.state, pending('c0', 'sending'))
    client.hear(accepted('c0', 'm1', true))
    expect(client.state.pending).toEqual([])
  })

  test('a message that the fresh page holds is not pending any more', () => {
    const client = joinedClient()
    client.state = local.addPending(client.state, pending('c1', 'sending'))
    client.state = local.linkLost(client.state)
    expect(client.state.pending).toMatchObject([{ state: 'waiting' }])
    client.model.show = () => {}
    client.model.say('hello', 'c1')
    for (const frame of client.model.join(joinRequest(client.state, true))) client.hear(frame)
    expect(client.state.pending).toEqual([])
  })

  test('the same client id of another person does not settle it', () => {
    const client = joinedClient()
    client.state = local.addPending(client.state, pending('c1', 'sending'))
    client.model.say('other', 'c1', { userId: 'u-other', name: 'Other' })
    expect(client.state.pending).toMatchObject([{ id: 'c1', state: 'sending' }])
  })

  test('E1: a refusal marks the message that it names, any other error is a notice', () => {
    const client = joinedClient()
    client.state = local.addPending(client.state, pending('c1', 'sending'))
    client.hear(refusal({ id: 'c1' }))
    expect(client.state.pending).toMatchObject([{ id: 'c1', state: 'failed', error: { code: 'queue_full' } }])
    expect(client.state.notice).toBeNull()
    client.hear(refusal({ code: 'invalid_frame' }))
    expect(client.state.notice).toMatchObject({ code: 'invalid_frame' })
  })

  test('M7: why the link is cut is no notice: the link says how it stands', () => {
    const client = joinedClient()
    for (const code of ['auth_required', 'access_changed', 'suspended'] as const) {
      client.hear(refusal({ code }))
      expect(client.state.notice, code).toBeNull()
    }
  })

  test('a time-out after the acknowledgement does not unsettle the message', () => {
    const client = joinedClient()
    const state = local.addPending(client.state, pending('c1', 'accepted'))
    const error = { code: 'network', detail: '', retryable: true }
    expect(local.markFailed(state, 'c1', error).pending).toEqual(state.pending)
    expect(local.markWaiting(state, 'c1').pending).toEqual(state.pending)
  })
})

describe('the room', () => {
  const other = { userId: 'u-other', name: 'Other' }

  test('typing is shown of others only, until they send or leave', () => {
    const client = joinedClient()
    client.hear({ type: 'typing', ...YOU, active: true })
    client.hear({ type: 'typing', ...other, active: true })
    expect(client.state.typing).toEqual([other])
    client.model.say('sent', 'c9', other)
    expect(client.state.typing).toEqual([])
    client.hear({ type: 'typing', ...other, active: true })
    client.hear({ type: 'presence', viewers: [{ ...YOU, connections: 2 }] })
    expect(client.state).toMatchObject({ typing: [], viewers: [{ connections: 2 }] })
  })

  test('an older page goes before what is loaded, unless a reset came between', () => {
    const client = joinedClient((model) => model.say('one'))
    const newest = client.state.messages.map((message) => ({ ...message, id: 'm5' }))
    const state: ConversationState = { ...client.state, messages: newest, before: 'm5' }
    const page = { messages: [...client.state.messages], before: null }
    expect(local.addOlderPage(state, page, 'm5').messages.map((message) => message.id)).toEqual(['m1', 'm5'])
    expect(local.addOlderPage(state, page, 'm3')).toBe(state)
  })

  test('members are those who were told last; one of them is oneself, and says what one may do', () => {
    const client = joinedClient()
    const joinedAt = AT
    const members = (role: 'editor' | 'viewer') => [
      { ...other, role: 'owner' as const, joinedAt },
      { ...YOU, role, joinedAt },
    ]
    const tell = (role: 'editor' | 'viewer') =>
      client.hear({ type: 'members_updated', seq: client.state.seq + 1, members: members(role) })
    expect(client.state.members).toBeNull()
    tell('editor')
    expect(mayWrite(client.state)).toBe(true)
    tell('viewer')
    expect(client.state.members).toEqual(members('viewer'))
    expect(mayWrite(client.state)).toBe(false)
    // What everyone is told says nothing of one's own role.
    const conversation = { ...client.state.conversation!, title: 'Renamed', role: undefined }
    client.hear({ type: 'conversation_updated', seq: client.state.seq + 1, conversation })
    expect(client.state.conversation).toMatchObject({ title: 'Renamed', role: 'viewer' })
  })

  test('L5: a refusal for a limit says which one, beside the message that was refused', () => {
    const client = joinedClient()
    client.state = local.addPending(client.state, pending('c1', 'sending'))
    const limit = { name: 'messages_per_day', unit: 'messages', limit: 3, remaining: 0, resetAt: AT }
    client.hear(refusal({ id: 'c1', code: 'quota_exceeded', limit, retryAfterMs: 5 }))
    expect(client.state.pending[0]).toMatchObject({
      state: 'failed',
      error: { code: 'quota_exceeded', limit },
    })
  })
})
