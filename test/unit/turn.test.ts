/**
 * One turn against a model that does what the test says: each way in which it can end, and which way wins.
 */
import { describe, expect, test } from 'vitest'
import { MAX_ANSWER_CHARS, runTurn, type Outcome } from '../../src/conversation/turn.ts'
import { AppError } from '../../src/errors.ts'
import type { Model, ModelEvent, ModelRequest } from '../../src/models/model.ts'

const INPUT: ModelRequest = {
  messages: [{ role: 'user', content: 'Hi' }],
  model: 'test-model',
  requestId: 'request-1',
}
const text = (text: string): ModelEvent => ({ type: 'text', text })
const finish: ModelEvent = {
  type: 'finish',
  reason: 'stop',
  model: 'test-model-2',
  usage: { inputTokens: 3, outputTokens: 2 },
}

interface Run {
  readonly outcome: Outcome
  readonly said: string
  readonly reported: unknown[]
  /** The signal that the model was given. */
  readonly signal: AbortSignal
  readonly request: ModelRequest
}

async function run(
  play: (signal: AbortSignal) => AsyncIterable<ModelEvent>,
  stop = new AbortController(),
): Promise<Run> {
  let said = ''
  const reported: unknown[] = []
  let signal = stop.signal
  let request = INPUT
  const model: Model = {
    name: 'test',
    defaultModel: 'test-model',
    stream(asked, given) {
      signal = given
      request = asked
      return play(given)
    },
    check: () => Promise.resolve({ ok: true }),
  }
  const append = (piece: string): void => {
    said += piece
  }
  const outcome = await runTurn(INPUT, { model, append, report: (e) => reported.push(e) }, stop.signal)
  return { outcome, said, reported, signal, request }
}

async function* play(...events: (ModelEvent | Error | (() => void))[]): AsyncGenerator<ModelEvent> {
  for (const event of events) {
    await Promise.resolve()
    if (event instanceof Error) throw event
    if (typeof event === 'function') event()
    else yield event
  }
}

describe('a turn', () => {
  test('T3 completes with what the model said of its end', async () => {
    const { outcome, said, request } = await run(() => play(text('Hel'), text('lo'), finish))
    expect(outcome).toEqual({
      state: 'completed',
      finishReason: 'stop',
      model: 'test-model-2',
      usage: { inputTokens: 3, outputTokens: 2 },
    })
    expect(said).toBe('Hello')
    expect(request).toEqual(INPUT)
  })

  test('T3 completes without a word when the model says none', async () => {
    expect(await run(() => play(finish))).toMatchObject({ outcome: { state: 'completed' }, said: '' })
  })

  test.each([
    new AppError('model_rate_limited', 'Slow down.', { retryAfterMs: 2_000 }),
    new AppError('model_auth', 'No.'),
    new AppError('model_timeout', 'Silence.'),
    new AppError('model_error', 'It says 501.', { retryable: false }),
  ])('T3 fails as the provider failed, with the text so far: $code', async (error) => {
    const { outcome, said, reported } = await run(() => play(text('Half'), error))
    const { code, detail, retryable, retryAfterMs } = error.toShape()
    const expected = { code, detail, retryable, ...(retryAfterMs !== undefined && { retryAfterMs }) }
    expect(outcome).toEqual({ state: 'failed', error: expected })
    expect(said).toBe('Half')
    expect(reported).toEqual([])
  })

  test('E4 fails as internal when something unexpected is thrown, which only the log hears', async () => {
    const error = new TypeError('undefined is not a function')
    const { outcome, reported } = await run(() => play(text('Half'), error))
    expect(outcome).toMatchObject({ state: 'failed', error: { code: 'internal', retryable: true } })
    expect(JSON.stringify(outcome)).not.toContain('undefined')
    expect(reported).toEqual([error])
  })

  test('T3 fails when the model is called in vain, or ends without an end', async () => {
    const early = await run(() => play(text('Half')))
    expect(early.outcome).toMatchObject({ state: 'failed', error: { code: 'model_error', retryable: true } })
    const thrown = await run(() => {
      throw new AppError('model_rejected', 'No such model.')
    })
    expect(thrown.outcome).toMatchObject({ state: 'failed', error: { code: 'model_rejected' } })
  })

  test('T2 is stopped when stopped, whatever the model throws on that', async () => {
    for (const error of [new DOMException('Aborted', 'AbortError'), new AppError('model_error', 'Cut.')]) {
      const stop = new AbortController()
      const { outcome, said, reported } = await run(() => play(text('Half'), () => stop.abort(), error), stop)
      expect(outcome).toEqual({ state: 'stopped' })
      expect(said).toBe('Half')
      expect(reported).toEqual([])
    }
  })

  test('T2 is stopped when stopped, also when the model goes on or ends meanwhile', async () => {
    for (const event of [text(' more'), finish]) {
      const stop = new AbortController()
      const { outcome, said, signal } = await run(() => play(text('Half'), () => stop.abort(), event), stop)
      expect(outcome).toEqual({ state: 'stopped' })
      expect(said).toBe('Half')
      expect(signal.aborted).toBe(true)
    }
  })

  test('T2 is stopped when it was stopped before it began', async () => {
    const stop = new AbortController()
    stop.abort()
    async function* refuse(signal: AbortSignal): AsyncGenerator<ModelEvent> {
      signal.throwIfAborted()
      yield text('never')
    }
    expect(await run(refuse, stop)).toMatchObject({ outcome: { state: 'stopped' }, said: '' })
  })

  test('ends at its greatest length as if the model had, and ends the call', async () => {
    const piece = 'x'.repeat(MAX_ANSWER_CHARS / 4 + 1)
    let asked = 0
    let closed = false
    async function* endless(): AsyncGenerator<ModelEvent> {
      try {
        for (;;) {
          asked++
          yield text(piece)
        }
      } finally {
        closed = true
      }
    }
    const { outcome, said, signal } = await run(endless)
    expect(outcome).toEqual({ state: 'completed', finishReason: 'length', model: 'test-model' })
    expect(said).toHaveLength(MAX_ANSWER_CHARS)
    expect({ asked, closed, aborted: signal.aborted }).toEqual({ asked: 4, closed: true, aborted: true })
  })

  test('takes an answer of just that length whole', async () => {
    const { outcome, said } = await run(() => play(text('y'.repeat(MAX_ANSWER_CHARS)), finish))
    expect(outcome).toMatchObject({ state: 'completed' })
    expect(said).toHaveLength(MAX_ANSWER_CHARS)
  })

  test('reads the model no further once it has finished', async () => {
    const { said } = await run(() => play(text('Hi'), finish, text(' and more')))
    expect(said).toBe('Hi')
  })
})
