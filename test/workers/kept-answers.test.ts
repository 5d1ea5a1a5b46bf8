/**
 * Turns of an agent whose answers are kept, when the place where they lie does not behave.
 */
import { expect, test } from 'vitest'
import type { CachedAnswer } from '../../src/conversation/answer-cache.ts'
import { AppError } from '../../src/errors.ts'
import { OWNER, PlainRoom, settle } from './plain-conversation.ts'

const KEPT: CachedAnswer = { text: 'As before', model: 'm', finishReason: 'stop' }

/** Hashing the question takes a moment that nothing tells the end of. */
async function hashed(room: PlainRoom, wanted: () => boolean): Promise<void> {
  while (!wanted()) {
    await crypto.subtle.digest('SHA-256', new Uint8Array(1))
    await settle()
  }
  expect(room.reports).toEqual([])
}

test('one that is silent holds no turn, neither before its answer nor after its failure', () =>
  PlainRoom.run(async (room) => {
    let lookUps = 0
    room.cache = {
      get: () => new Promise(() => void lookUps++),
      put: () => new Promise(() => undefined),
    }
    await room.restart()
    await room.ask('Hi', { agentId: 'kept' })
    await hashed(room, () => lookUps === 1)
    expect(room.calls).toHaveLength(0)
    await room.pass(1_000)
    await hashed(room, () => room.calls.length === 1)
    await room.call.say(new AppError('model_error', 'It broke.'))
    await hashed(room, () => lookUps === 2)
    await room.pass(1_000)
    expect(room.answer(2)).toEqual({ status: 'failed', text: '' })
  }))

test('one that is stopped while it is looked for stays stopped, and nobody is asked', () =>
  PlainRoom.run(async (room) => {
    let found: (answer: CachedAnswer) => void = () => undefined
    let isAsked = false
    room.cache = {
      get: () => new Promise((resolve) => ((found = resolve), (isAsked = true))),
      put: () => Promise.resolve(),
    }
    await room.restart()
    await room.ask('Hi', { agentId: 'kept' })
    await hashed(room, () => isAsked)
    room.conversation.stop('t2')
    found(KEPT)
    await settle()
    expect([room.answer(2), room.calls.length]).toEqual([{ status: 'stopped', text: '' }, 0])
  }))

test('one that is found asks for no place with a provider that has limits (Q14)', () =>
  PlainRoom.run(async (room) => {
    room.enter = () => ({ state: 'granted', provider: 'main', grantId: 'g1', leaseMs: 30_000 })
    room.cache = { get: () => Promise.resolve(KEPT), put: () => Promise.resolve() }
    await room.restart()
    await room.ask('Hi', { agentId: 'kept' })
    await hashed(room, () => room.answer(2)?.status === 'completed')
    expect(room.answer(2)).toEqual({ status: 'completed', text: 'As before' })
    expect([room.asked, room.calls.length]).toEqual([[], 0])
    expect(await room.usage()).toEqual([{ key: 'c1', messages: 1, inputTokens: 0, outputTokens: 0 }])
  }))

test('one that is found is of no use to an answer that goes on: that waits for its place (Q14)', () =>
  PlainRoom.run(async (room) => {
    let isKept = false
    room.cache = { get: () => Promise.resolve(isKept ? KEPT : null), put: () => Promise.resolve() }
    await room.restart()
    await room.ask('Hi', { agentId: 'kept' })
    await hashed(room, () => room.calls.length === 1)
    await room.call.say('As I was say', new AppError('model_error', 'It broke.'))
    await hashed(room, () => room.answer(2)?.status === 'failed')
    isKept = true
    room.enter = () => ({ state: 'waiting', position: 1, etaMs: null })
    await room.conversation.resume(OWNER, 't2')
    await hashed(room, () => room.asked.length > 0)
    expect([room.asked, room.calls.length]).toEqual([['enter 2'], 1])
  }))

test('one that was found is looked for no second time', () =>
  PlainRoom.run(async (room) => {
    let lookUps = 0
    room.enter = () => ({ state: 'waiting', position: 1, etaMs: null })
    room.cache = {
      get: () => Promise.resolve(++lookUps === 1 ? KEPT : null),
      put: () => Promise.resolve(),
    }
    await room.restart()
    await room.ask('Hi', { agentId: 'kept' })
    await hashed(room, () => room.answer(2)?.status === 'completed')
    expect([room.answer(2)?.text, lookUps]).toEqual(['As before', 1])
  }))
