/**
 * The offline provider: it says what it is, invents nothing, and streams and stops like any other.
 */
import { describe, expect, it } from 'vitest'
import { OfflineModel } from '../../src/models/offline.ts'
import { describeModelContract } from '../contracts/model-contract.ts'
import { ask } from '../support/model-answer.ts'

describeModelContract('the offline provider', () =>
  Promise.resolve({
    model: new OfflineModel({ paceMs: 1 }),
    longMessage: 'Please write something long.',
    close: () => Promise.resolve(),
  }),
)

const swift = new OfflineModel({ wait: () => Promise.resolve() })

describe('the offline provider', () => {
  it('says that it is offline and how to connect a model, whatever it is asked', async () => {
    for (const message of ['hello', 'Help!', 'What is the capital of France?', '']) {
      const { text } = await ask(swift, message)

      expect(text).toContain('**offline**')
      expect(text).toContain('`OPENAI_API_KEY`')
      expect(text).toContain('`OPENAI_BASE_URL`')
      expect(text).toContain('`.dev.vars`')
    }
  })

  it('quotes what the person said, as a quotation that ends', async () => {
    const { text } = await ask(swift, 'First line\n\n```js\nunclosed')

    expect(text).toContain('\n\n> First line\n>\n> ```js\n> unclosed\n\n')
  })

  it('shortens a quotation without cutting a character in half', async () => {
    const { text } = await ask(swift, `a${'😀'.repeat(1_000)}`)

    expect(text.isWellFormed()).toBe(true)
    expect(text).toContain('😀…')
    expect(text.length).toBeLessThan(2_000)
  })

  it('greets where it is greeted, and does not quote that', async () => {
    const { text } = await ask(swift, 'Hi there')

    expect(text).toMatch(/^Hello!/)
    expect(text).not.toContain('>')
  })

  it('answers the last message of the person, not the system prompt or an earlier one', async () => {
    const { text } = await ask(swift, [
      { role: 'system', content: 'secret instructions' },
      { role: 'user', content: 'earlier question' },
      { role: 'assistant', content: 'earlier answer' },
      { role: 'user', content: 'later question' },
    ])

    expect(text).toContain('> later question')
    expect(text).not.toMatch(/secret|earlier/)
  })

  it('shows a list and a code block', async () => {
    const { text } = await ask(swift, 'anything')

    expect(text).toMatch(/^- /m)
    expect(text).toMatch(/^```ini\n[^`]+^```$/m)
  })

  it('says something long and countable when asked to, so that stop and resume can be tried', async () => {
    const { text, finish } = await ask(swift, 'Write something LONG please')

    expect(text.match(/^\d+\. /gm)).toHaveLength(120)
    expect(finish?.reason).toBe('stop')
    expect((await ask(swift, 'This belongs to me')).text).not.toMatch(/^\d+\. /m)
  })

  it('says a word at a time, and waits its pace before each', async () => {
    const waits: number[] = []
    const model = new OfflineModel({
      paceMs: 7,
      wait: (ms) => {
        waits.push(ms)
        return Promise.resolve()
      },
    })
    const { events, text } = await ask(model, 'anything')
    const words = events.flatMap((event) => (event.type === 'text' ? [event.text] : []))

    expect(words.join('')).toBe(text)
    expect(words.every((word) => word.trim().split(/\s+/).length === 1)).toBe(true)
    expect(waits).toEqual(words.map(() => 7))
  })

  it('can be stopped while it waits', async () => {
    const stop = new AbortController()
    const answer = ask(new OfflineModel({ paceMs: 60_000 }), 'anything', { signal: stop.signal })
    stop.abort(new Error('stop'))

    expect(await answer).toMatchObject({ events: [], error: new Error('stop') })
  })

  it('estimates the tokens of the whole request and of its answer', async () => {
    const short = await ask(swift, 'one question')
    const long = await ask(swift, [
      { role: 'system', content: 'A system prompt that is a good deal longer than the question itself.' },
      { role: 'user', content: 'one question' },
    ])

    expect(long.finish?.usage?.inputTokens).toBeGreaterThan(short.finish?.usage?.inputTokens ?? 0)
    expect(long.finish?.usage?.outputTokens).toBe(short.finish?.usage?.outputTokens)
    expect(short.finish?.usage?.outputTokens).toBeGreaterThan(50)
  })
})
