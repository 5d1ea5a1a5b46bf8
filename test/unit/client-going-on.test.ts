/**
 * An answer that had ended and is written again, on the client's state: it goes on where it was, and how it ended before is
 * forgotten.
 */
import { expect, test } from 'vitest'
import { runningTurn, type ConversationState } from '../../src/client/index.ts'
import { textOf } from '../../src/protocol/message.ts'
import { AT } from '../support/conversation-model.ts'
import { joinedClient } from '../support/joined-client.ts'

const texts = (state: ConversationState) => state.messages.map(textOf)

test('O5: an answer that had ended goes on after its text, and nothing of how it ended stays', () => {
  const client = joinedClient()
  client.model.say('?')
  client.model.start()
  client.model.delta('half')
  client.model.end('failed')
  expect(client.state.messages[1]).toMatchObject({ status: 'failed', error: { code: 'interrupted' } })
  expect(client.state.turns).toEqual([])
  client.model.goOn()
  expect(client.state.messages[1]).toMatchObject({ status: 'streaming', error: undefined })
  expect(runningTurn(client.state)?.turnId).toBe('t2')
  client.model.delta(' and half')
  client.model.end('completed')
  expect(texts(client.state)).toEqual(['?', 'half and half'])
  expect(client.state.messages[1]).toMatchObject({ status: 'completed', error: undefined })
})

test('O5: whose answer it was is of the attempt that gave it', () => {
  const client = joinedClient()
  client.model.say('?')
  client.model.start()
  client.model.delta('old')
  const { seq } = client.state
  const about = { turnId: 't2', messageId: 'm2', parentId: 'm1', at: AT }
  const end = { type: 'stream_complete', ...about, length: 3, finishReason: 'stop', model: 'b' } as const
  const degraded = { provider: 'cache', reason: 'model_unavailable' }
  client.hear({ ...end, seq: seq + 1, degraded, cached: true })
  expect(client.state.messages[1]).toMatchObject({ degraded, cached: true })
  client.hear({
    type: 'stream_start',
    ...about,
    seq: seq + 2,
    attempt: 2,
    offset: 0,
    agentId: 'default',
    model: 'a',
  })
  expect(client.state.messages[1]).toMatchObject({ degraded: undefined, cached: undefined })
  client.hear({ ...end, seq: seq + 3, length: 0 })
  expect(client.state.messages[1]).toMatchObject({ degraded: undefined, cached: undefined })
})
