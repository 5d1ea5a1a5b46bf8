/**
 * What every model provider promises behind the port `src/models/model.ts`. Run over each adapter; what only one of them
 * can do is tested beside it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { usage } from '../../src/protocol/message.ts'
import type { Model, ModelMessage } from '../../src/models/model.ts'
import { ask } from '../support/model-answer.ts'

export interface ModelUnderTest {
  readonly model: Model
  /** A message whose answer comes in many pieces over a second or longer. */
  readonly longMessage: string
  close(): Promise<void>
}

export function describeModelContract(name: string, create: () => Promise<ModelUnderTest>): void {
  describe(`${name} keeps the contract of a model`, () => {
    let subject: ModelUnderTest
    beforeAll(async () => {
      subject = await create()
    })
    afterAll(() => subject.close())

    it('has a name and a default model', () => {
      expect(subject.model.name).not.toBe('')
      expect(subject.model.defaultModel).not.toBe('')
    })

    it('answers with text, then exactly one finish, then nothing', async () => {
      const { events, text, error } = await ask(subject.model, 'Good morning')

      expect(error).toBeUndefined()
      expect(text).not.toBe('')
      expect(events.map((event) => event.type)).toEqual([...events.slice(1).map(() => 'text'), 'finish'])
    })

    it('never yields an empty text', async () => {
      const { events } = await ask(subject.model, 'Good morning')

      expect(events.filter((event) => event.type === 'text' && event.text === '')).toEqual([])
    })

    it('finishes with a reason, the model and the usage in tokens', async () => {
      const { finish } = await ask(subject.model, 'Good morning')

      expect(finish?.reason).toBe('stop')
      expect(finish?.model).not.toBe('')
      expect(usage.parse(finish?.usage).outputTokens).toBeGreaterThan(0)
    })

    it('takes a system prompt and a history', async () => {
      const messages: ModelMessage[] = [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Hello!' },
        { role: 'user', content: 'Who is there?' },
      ]
      const { text, finish } = await ask(subject.model, messages)

      expect(text).not.toBe('')
      expect(finish).toBeDefined()
    })

    it('says the same to the same message, whoever else is asking at that time', async () => {
      const alone = await ask(subject.model, 'First question')
      const [first, second] = await Promise.all([
        ask(subject.model, 'First question'),
        ask(subject.model, 'Second question'),
      ])

      expect(first.text).toBe(alone.text)
      expect(second.text).not.toBe(alone.text)
    })

    it('throws the reason of a signal that was aborted before, and says nothing', async () => {
      const reason = new Error('stopped before')
      const { events, error } = await ask(subject.model, 'Hello', { signal: AbortSignal.abort(reason) })

      expect(error).toBe(reason)
      expect(events).toEqual([])
    })

    it('throws the reason of a signal that is aborted in mid-answer, and says nothing more', async () => {
      const reason = new Error('stopped in mid-answer')
      const stop = new AbortController()
      let saidUntilStop = ''
      const { text, finish, error } = await ask(subject.model, subject.longMessage, {
        signal: stop.signal,
        onEvent(_, text) {
          if (text.length < 20) return
          saidUntilStop = text
          stop.abort(reason)
        },
      })

      expect(error).toBe(reason)
      expect(finish).toBeUndefined()
      expect(text).toBe(saidUntilStop)
    })

    it('can be asked again after a consumer left early', async () => {
      const request = {
        messages: [{ role: 'user' as const, content: subject.longMessage }],
        model: subject.model.defaultModel,
        requestId: 'request-2',
      }
      for await (const event of subject.model.stream(request, new AbortController().signal)) {
        expect(event.type).toBe('text')
        break
      }
      const { finish } = await ask(subject.model, 'And now?')

      expect(finish).toBeDefined()
    })

    it('is well', async () => {
      expect(await subject.model.check(new AbortController().signal)).toEqual({ ok: true })
    })
  })
}
