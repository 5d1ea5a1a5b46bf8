/**
 * The model server that stands in for a provider: what other tests rely on, checked from outside with plain `fetch`.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDirectives, withoutDirectives } from '../support/model-directives.ts'
import { ModelServerClient } from '../support/model-server-client.ts'
import { spawnModelServer } from '../support/model-server-process.ts'
import { ModelServer } from '../support/model-server.ts'
import { expectedText, generatedToken } from '../support/model-text.ts'

let server: ModelServer
let client: ModelServerClient
beforeAll(async () => {
  server = await ModelServer.start()
  client = new ModelServerClient(server.url)
})
afterAll(() => server.close())

function complete(
  message: string,
  body: object = { stream: true },
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`${client.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: message }], ...body }),
    ...init,
  })
}

interface Chunk {
  choices: { delta: { content?: string; role?: string }; finish_reason: string | null }[]
  usage?: { total_tokens: number }
}

/** The data of an event stream; the last one may be `[DONE]`. */
async function chunksOf(response: Response): Promise<(Chunk | '[DONE]')[]> {
  const lines = (await response.text()).split('\n\n').filter((line) => line.startsWith('data: '))
  return lines.map((line) => (line === 'data: [DONE]' ? '[DONE]' : (JSON.parse(line.slice(6)) as Chunk)))
}

function textOf(chunks: readonly (Chunk | '[DONE]')[]): string {
  return chunks.map((chunk) => (chunk === '[DONE]' ? '' : (chunk.choices[0]?.delta.content ?? ''))).join('')
}

describe('directives', () => {
  it('are names, numbers, words and quoted strings, in one block or several', () => {
    expect(parseDirectives('a [[tokens=3 no-done gate=x-1]] b [[text="say \\"]]\\"\\n😀"]]')).toEqual({
      tokens: 3,
      'no-done': true,
      gate: 'x-1',
      text: 'say "]]"\n😀',
    })
    expect(withoutDirectives(' a [[tokens=3]]  b [[text="]]"]]')).toBe('a b')
    expect(parseDirectives('none [here] [ [tokens=3] ]')).toEqual({})
  })

  it.each(['[[tokns=3]]', '[[tokens]]', '[[tokens=many]]', '[[close=3]]', '[[tokens=3 !]]'])(
    'that mean nothing are refused, so that no test passes by a slip: %s',
    async (message) => {
      expect(() => parseDirectives(message)).toThrow('directive')
      expect((await complete(message)).status).toBe(400)
    },
  )
})

describe('the text', () => {
  it('is a function of the message, for generated tokens, exact texts and echoes', async () => {
    for (const message of ['[[tokens=300 seed=7 size=6]]', '[[text="é 😀"]]', 'What is [[delay=1]] this?']) {
      expect(textOf(await chunksOf(await complete(message)))).toBe(expectedText(message))
    }
    expect(expectedText('What is [[delay=1]] this?')).toBe('You said: What is this?')
  })

  it('has tokens that differ by seed and by place, so that a lost or doubled one shows', () => {
    const tokens = Array.from({ length: 1_000 }, (_, i) => generatedToken(1, i, 8))

    expect(new Set(tokens).size).toBe(1_000)
    expect(generatedToken(2, 0, 8)).not.toBe(tokens[0])
    expect(tokens.every((token) => /^[a-z]{7} $/.test(token))).toBe(true)
  })

  it('is cut at any size without losing a character, and pairs are only cut when asked', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        (text, size, halves) => {
          const message = `[[text=${JSON.stringify(text)} size=${size}${halves ? ' halves' : ''}]]`
          expect(expectedText(message)).toBe(text)
          expect(halves || expectedText(message, 1).isWellFormed()).toBe(true)
        },
      ),
    )
  })
})

describe('a stream', () => {
  it('has a role, the tokens, a finish reason, usage if asked for, and [DONE]', async () => {
    const chunks = await chunksOf(
      await complete('[[tokens=2]]', { stream: true, stream_options: { include_usage: true } }),
    )

    expect(chunks).toMatchObject([
      { object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant' } }] },
      { choices: [{ delta: { content: generatedToken(1, 0, 4) } }] },
      { choices: [{ delta: { content: generatedToken(1, 1, 4) } }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }] },
      { choices: [], usage: { completion_tokens: 2 } },
      '[DONE]',
    ])
    expect(await chunksOf(await complete('[[tokens=2]]'))).toHaveLength(5)
  })

  it('is one JSON object when no stream is asked for', async () => {
    const body: unknown = await (await complete('[[tokens=3]]', {})).json()

    expect(body).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: expectedText('[[tokens=3]]') }, finish_reason: 'stop' }],
      usage: { completion_tokens: 3 },
    })
  })

  it('keeps its pace for many at once, and its text', async () => {
    const messages = Array.from({ length: 50 }, (_, seed) => `[[tokens=20 delay=3 seed=${seed}]]`)
    const texts = await Promise.all(
      messages.map(async (message) => textOf(await chunksOf(await complete(message)))),
    )

    expect(texts).toEqual(messages.map((message) => expectedText(message)))
  })

  it('writes each byte alone when asked to', async () => {
    const response = await complete('[[tokens=1 split=every-byte]]')
    let sizes = new Set<number>()
    for await (const bytes of response.body ?? []) sizes = sizes.add(bytes.length)

    expect([...sizes]).toEqual([1])
  })
})

describe('the control API', () => {
  it('tells what was asked, and what became of it', async () => {
    await client.reset()
    const stop = new AbortController()
    await (await complete('[[tokens=2]] first')).text()
    await complete('[[tokens=9 hang=mid after=4]] second', { stream: true }, { signal: stop.signal })
    await client.wait({ match: 'second', state: 'streaming', tokens: 4 })
    stop.abort()
    await client.wait({ match: 'second', state: 'aborted' })

    expect(await client.calls()).toMatchObject([
      { lastUserMessage: '[[tokens=2]] first', model: 'm', finished: true, aborted: false, tokensSent: 2 },
      { finished: false, aborted: true, tokensSent: 4 },
    ])
  })

  it('waits until there are as many calls as asked for', async () => {
    const wait = client.wait({ match: 'counted', state: 'finished', count: 2 })
    await (await complete('counted 1')).text()
    await (await complete('counted 2')).text()

    expect((await wait).map((call) => call.lastUserMessage)).toEqual(['counted 1', 'counted 2'])
  })

  it('says what there was when a wait is in vain', async () => {
    await expect(client.wait({ match: 'nobody says this', timeoutMs: 10 })).rejects.toThrow('no such calls')
  })

  it('holds a call at a gate until it is opened, before the first token or in the middle', async () => {
    const first = complete('[[tokens=5 gate=one]]').then(chunksOf)
    const middle = complete('[[tokens=5 gate=two after=3]]').then(chunksOf)
    await client.wait({ match: 'gate=two', state: 'streaming', tokens: 3 })
    const held = await client.wait({ match: 'gate=' })
    await client.openGate('one')
    await client.openGate('two')

    expect(held.map((call) => call.tokensSent)).toEqual([0, 3])
    expect(textOf(await first)).toBe(expectedText('[[tokens=5]]'))
    expect(textOf(await middle)).toBe(expectedText('[[tokens=5]]'))
  })

  it('ends faults after as many calls with the same message as `times` says', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 3; i++) {
      const response = await complete('[[status=500 times=2]] heals')
      await response.text()
      statuses.push(response.status)
    }

    expect(statuses).toEqual([500, 500, 200])
  })

  it('refuses what it does not know', async () => {
    expect((await fetch(`${server.url}/control/nothing`)).status).toBe(404)
    expect((await fetch(`${server.url}/control/wait?sate=finished`)).status).toBe(400)
    expect((await fetch(`${server.url}/v2/anything`)).status).toBe(404)
  })
})

describe('as a process of its own', () => {
  it('prints its address, answers there, and ends when told to', async () => {
    const process = await spawnModelServer()
    const response = await fetch(`${process.client.baseUrl}/models`)
    const models: unknown = await response.json()
    await process.stop()

    expect(models).toMatchObject({ object: 'list' })
    await expect(fetch(process.client.baseUrl)).rejects.toThrow('fetch failed')
  })
})
