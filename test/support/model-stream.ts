/**
 * Plays one streamed answer of the model server: the wire format of OpenAI's chat completion chunks, the pace, and every
 * fault of the directive language that happens once the headers are out.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import type { CallLog, Gates, ModelCall } from './model-calls.ts'
import type { Directives } from './model-directives.ts'
import type { Pacer } from './model-pace.ts'
import type { Answer } from './model-text.ts'
import { monotonicMs } from './monotonic.ts'

export interface Play {
  readonly call: ModelCall
  readonly directives: Directives
  readonly answer: Answer
  readonly response: ServerResponse
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  readonly includeUsage: boolean
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number }
  readonly log: CallLog
  readonly gates: Gates
  readonly pacer: Pacer
}

/** Tokens per write when the answer is not paced: enough that the sockets, not this loop, are the limit. */
const DEFAULT_BATCH = 64

/** @throws the signal's reason when the client goes before the end */
export async function playStream(play: Play): Promise<void> {
  const { call, directives, answer, response, signal } = play
  const type = directives['content-type'] ?? 'text/event-stream; charset=utf-8'
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' })
  response.flushHeaders()
  if (directives.hang === 'after-headers') await goneFor(signal)
  const wire = new Wire(play)

  await wire.send(wire.chunk({ role: 'assistant', content: '' }))
  for (let i = 0; i < (directives.reasoning ?? 0); i++) {
    await wire.send(wire.chunk({ reasoning_content: 'hm ' }))
  }
  if (directives.first !== undefined) await delay(directives.first, undefined, { signal })

  const pause = Math.min(directives.after ?? 0, answer.length)
  await sendTokens(play, wire, 0, pause)
  if (directives.gate !== undefined) await play.gates.pass(directives.gate, signal)
  if (directives.hang === 'mid') await goneFor(signal)
  if (await breakOff(play, wire)) return
  if (directives.huge !== undefined) await wire.send(wire.token('x'.repeat(directives.huge * 1024 * 1024)))
  if (directives['bad-bytes']) wire.garble()
  await sendTokens(play, wire, pause, answer.length)
  while (directives.endless) {
    await delay(directives.delay ?? 1, undefined, { signal })
    await wire.send(wire.token('on and '))
  }

  if (!directives['no-finish']) await wire.send(wire.chunk({}, directives.finish ?? 'stop'))
  if (directives.hang === 'trailer') await goneFor(signal)
  if (play.includeUsage && !directives['no-usage']) await wire.send(wire.usage())
  if (!directives['no-done']) await wire.send(wire.event('[DONE]'))
  if (directives['end-gate'] !== undefined) await play.gates.pass(directives['end-gate'], signal)
  call.finished = true
  call.endedAt = monotonicMs()
  response.end()
}

async function sendTokens(play: Play, wire: Wire, from: number, to: number): Promise<void> {
  const { answer, call, directives, log, signal } = play
  const events = (start: number, end: number): string => {
    let text = ''
    for (let i = start; i < end; i++) text += wire.token(answer.token(i))
    return text
  }
  const sent = (tokens: number): void => {
    call.tokensSent = tokens
    log.changed()
  }
  const delayMs = directives.delay ?? 0
  if (delayMs > 0) {
    await play.pacer.run(to - from, delayMs, signal, (start, end) => {
      play.response.write(events(from + start, from + end))
      sent(from + end)
    })
    return
  }
  const batch = directives.batch ?? DEFAULT_BATCH
  for (let start = from; start < to; start += batch) {
    const end = Math.min(start + batch, to)
    await wire.send(events(start, end))
    sent(end)
  }
}

/** The faults that end the body in mid-answer. */
async function breakOff({ call, directives, response }: Play, wire: Wire): Promise<boolean> {
  const line = wire.token('never seen')
  if (directives['half-json']) await wire.send(line.slice(0, line.length / 2))
  else if (directives['error-in-stream']) await wire.send(wire.event(JSON.stringify(errorBody(directives))))
  else if (directives['tool-call']) await wire.send(wire.chunk(HALF_A_TOOL_CALL))
  else if (!directives.close && !directives.end) return false
  call.finished = true
  if (directives.close) {
    // What was written must have left before the reset overtakes it.
    await new Promise((resolve) => response.write(wire.comment(), resolve))
    response.socket?.resetAndDestroy()
  } else response.end()
  return true
}

/** The name of a function, and its arguments up to the middle. */
const HALF_A_TOOL_CALL = {
  tool_calls: [
    { index: 0, id: 'call_1', type: 'function', function: { name: 'search', arguments: '{"query": "wea' } },
  ],
}

export function errorBody({ status = 500, code, type, message }: Directives): object {
  return {
    error: {
      // A provider's own words quote what they please; none of it may reach a user.
      message:
        message ??
        'Provider says: key sk-secret-of-the-provider is wrong at http://user:password@internal.example/v1',
      type:
        type ??
        (status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error'),
      code: code ?? null,
    },
  }
}

/** Formats and writes events. The parts of a chunk that do not change are made once. */
class Wire {
  readonly #play: Play
  readonly #eol: string
  readonly #before: string
  readonly #tokenHead: string
  readonly #tokenTail: string

  constructor(play: Play) {
    this.#play = play
    this.#eol = play.directives.crlf ? '\r\n' : '\n'
    this.#before = play.directives.comments ? this.comment() : ''
    const [head = '', tail = ''] = this.chunk({ content: '@' }).split('"@"')
    this.#tokenHead = head
    this.#tokenTail = tail
  }

  comment(): string {
    return `: still here${this.#eol}${this.#eol}`
  }

  event(data: string): string {
    const space = this.#play.directives['no-space'] ? '' : ' '
    return `${this.#before}data:${space}${data}${this.#eol}${this.#eol}`
  }

  chunk(delta: object, finishReason: string | null = null): string {
    return this.event(
      JSON.stringify({
        ...this.#envelope(),
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
      }),
    )
  }

  token(text: string): string {
    return this.#tokenHead + JSON.stringify(text) + this.#tokenTail
  }

  /** Bytes that no text has, in a token of their own. */
  garble(): void {
    const [head = '', tail = ''] = this.token('@').split('@')
    this.#play.response.write(
      Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0xc3, 0x28]), Buffer.from(tail)]),
    )
  }

  usage(): string {
    return this.event(JSON.stringify({ ...this.#envelope(), choices: [], usage: this.#play.usage }))
  }

  /** Resolves when the socket takes more. */
  async send(text: string): Promise<void> {
    const { directives, response, signal } = this.#play
    signal.throwIfAborted()
    if (directives.split === 'every-byte') {
      const bytes = Buffer.from(text)
      for (let i = 0; i < bytes.length; i++) {
        await new Promise((resolve) => response.write(bytes.subarray(i, i + 1), resolve))
        // A reader in this process gets its turns too, or it would find several bytes at once.
        await setImmediate()
        await setImmediate()
      }
    } else if (directives.drip !== undefined) {
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.from([byte]))
        await delay(directives.drip, undefined, { signal })
      }
    } else if (!response.write(text)) await once(response, 'drain', { signal })
  }

  #envelope(): object {
    const { call } = this.#play
    return {
      id: `chatcmpl-${this.#play.directives['same-id'] ? 1 : call.id}`,
      object: 'chat.completion.chunk',
      created: Math.floor(call.at / 1000),
      model: call.model,
    }
  }
}

/** Silence, until the client goes. */
export async function goneFor(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted()
  await once(signal, 'abort')
  throw signal.reason
}
