/**
 * Turns that end before they are done: because somebody says so, which only saying so does, or because the provider of the
 * model fails. Either way the text so far is kept and the next turn runs.
 */
import { describe, expect, test } from 'vitest'
import { expectedText } from '../support/model-text.ts'
import { ended, textFrom } from './frame-reading.ts'
import { joinedConversation } from './started-conversation.ts'
import { message, model, stubOf, unique } from './worker-guest.ts'

describe('stopping', () => {
  test('T2 ends the turn, aborts the call and keeps the text so far; the next turn runs', async () => {
    const { socket, guest, id } = await joinedConversation()
    const tag = unique()
    const content = message(tag, 'tokens=1000 delay=5')
    const { turnId } = await socket.chat(content)
    const behind = await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_chunk', (frame) => frame.offset > 20)
    socket.send({ type: 'stop_stream', turnId })
    const stopped = await socket.next('stream_stopped')
    const [call] = await model.wait({ match: tag, state: 'aborted' })
    expect(call?.tokensSent).toBeLessThan(1000)
    await socket.next('stream_complete', ended(behind.turnId))

    const answer = (await guest.messages(id)).find((each) => each.id === stopped.messageId)
    const text = answer?.parts[0]?.text ?? ''
    expect(answer?.status).toBe('stopped')
    expect(text).toHaveLength(stopped.length)
    expect(expectedText(content).startsWith(text)).toBe(true)
    expect(textFrom(socket.received, stopped.messageId)).toBe(text)
  })

  test('T2 again, or after the end, changes nothing and is no error; of a turn that never was it is one', async () => {
    const { socket, guest, id } = await joinedConversation()
    const stop = async (turnId: string): Promise<unknown> =>
      (await guest.request('POST', `/api/conversations/${id}/stop`, { turnId })).json()
    const tag = unique()
    const first = await socket.chat(message(tag, `gate=${tag} text=never`))
    await model.wait({ match: tag })
    expect(await stop(first.turnId)).toEqual({ turnId: 't2', state: 'stopped', stopped: true })
    expect(await stop(first.turnId)).toEqual({ turnId: 't2', state: 'stopped', stopped: false })
    const second = await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    expect(await stop(second.turnId)).toEqual({ turnId: 't4', state: 'completed', stopped: false })
    socket.send({ type: 'stop_stream', turnId: second.turnId })
    await socket.settle()
    expect(socket.all('error')).toEqual([])
    expect(socket.all('stream_stopped')).toHaveLength(1)
    expect(await stop('t99')).toMatchObject({ code: 'not_found', field: 'turnId' })
    socket.send({ type: 'stop_stream', turnId: 't99' })
    expect(await socket.next('error')).toMatchObject({ code: 'not_found', field: 'turnId' })
  })

  test('T2 twenty stops at once stop once', async () => {
    const { socket, guest, id } = await joinedConversation()
    const tag = unique()
    const { turnId } = await socket.chat(message(tag, `tokens=100 gate=${tag} after=3`))
    await socket.next('stream_chunk')
    const stops = await Promise.all(
      Array.from({ length: 20 }, () => guest.request('POST', `/api/conversations/${id}/stop`, { turnId })),
    )
    const answers = await Promise.all(stops.map((response) => response.json<{ stopped: boolean }>()))
    expect(answers.filter((answer) => answer.stopped)).toHaveLength(1)
    await socket.settle()
    expect(socket.all('stream_stopped')).toHaveLength(1)
  })

  test('T1 leaving, closing and losing a socket stop nothing', async () => {
    const { socket, guest, id } = await joinedConversation()
    const content = message(unique(), 'tokens=60 delay=5')
    const { turnId } = await socket.chat(content)
    await socket.next('stream_chunk')
    socket.send({ type: 'leave_conversation' })
    socket.close()
    const answer = await stubOf(id).answer(
      { userId: guest.userId, name: guest.name, role: 'guest', kind: 'guest' },
      turnId,
    )
    expect(answer).toMatchObject({
      ok: true,
      value: { status: 'completed', parts: [{ text: expectedText(content) }] },
    })
  })
})

describe('a provider that fails', () => {
  test.each([
    ['close after=3', 'model_unreachable', true],
    ['error-in-stream after=3', 'model_error', true],
    ['hang=mid after=3', 'model_timeout', true],
    ['status=429 retry-after=7', 'model_rate_limited', true],
    ['status=401', 'model_auth', false],
    ['status=400', 'model_rejected', false],
  ])('T3 O6 ends the turn as failed with the text so far: %s', async (fault, code, retryable) => {
    const { socket, guest, id } = await joinedConversation()
    const content = message(unique(), `tokens=50 ${fault}`)
    await socket.chat(content)
    const failed = await socket.next('stream_failed')
    expect(failed.error).toMatchObject({ code, retryable })
    if (code === 'model_rate_limited') expect(failed.error.retryAfterMs).toBe(7_000)
    const text = fault.includes('after=3') ? expectedText(content, 3) : ''
    expect(textFrom(socket.received, failed.messageId)).toBe(text)
    expect(failed.length).toBe(text.length)
    const answer = (await guest.messages(id)).at(-1)
    expect(answer).toMatchObject({ status: 'failed', error: failed.error, parts: [{ text }] })
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
  })
})
