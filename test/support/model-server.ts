/**
 * A model's server for tests and benchmarks: real HTTP, OpenAI's chat completions, faults on request.
 *
 * How a call goes is written into its last user message (model-directives.ts), so tests in other processes drive it
 * without sharing memory. What it lives through is told by its control API (model-control.ts), so tests wait for what
 * happens and never sleep. Addresses: `/v1/…` is the model; `/status/503/v1/…` answers that status to everything, and
 * `/hang/v1/…` nothing at all, for calls that have no message.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeNow, listen, urlOf } from './loopback-server.ts'
import { CallLog, Gates } from './model-calls.ts'
import type { ModelCall } from './model-calls.ts'
import { answerControl, sendJson } from './model-control.ts'
import { parseDirectives } from './model-directives.ts'
import type { Directives } from './model-directives.ts'
import { Pacer } from './model-pace.ts'
import { errorBody, goneFor, playStream } from './model-stream.ts'
import { answerTo, expectedText } from './model-text.ts'
import type { Answer } from './model-text.ts'

export interface ModelServerOptions {
  /** 0 (any free one) when left out. */
  readonly port?: number | undefined
  readonly host?: string | undefined
}

interface CompletionRequest {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean } | null
  readonly continue_final_message?: boolean
}

/** Faults that `times` limits. */
const FAULTS = [
  'status',
  'hang',
  'half-json',
  'close',
  'end',
  'error-in-stream',
  'html',
  'tool-call',
  'huge',
  'endless',
  'drip',
  'empty',
] as const

export class ModelServer {
  readonly log = new CallLog()
  readonly gates = new Gates()
  readonly #pacer = new Pacer()
  readonly #server: Server

  /** Use {@link ModelServer.start}: this one does not listen yet. */
  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        // The client has gone; there is nobody to tell.
        if (response.destroyed) return
        if (!response.headersSent) response.writeHead(500)
        response.end(String(error))
      })
    })
    // Idle connections stay, so that no client runs into one that is being closed.
    this.#server.keepAliveTimeout = 120_000
    this.#server.requestTimeout = 0
  }

  static async start({ port = 0, host = '127.0.0.1' }: ModelServerOptions = {}): Promise<ModelServer> {
    const server = new ModelServer()
    await listen(server.#server, port, host)
    return server
  }

  /** `http://127.0.0.1:<port>`; the model's base URL is this and `/v1`. */
  get url(): string {
    return urlOf(this.#server)
  }

  async close(): Promise<void> {
    await closeNow(this.#server)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.on('close', () => gone.abort(new Error('the client has gone')))
    const url = new URL(request.url ?? '/', 'http://model')
    const route = `${request.method} ${url.pathname}`
    const fixed = /^\/status\/(\d{3})\//.exec(url.pathname)
    if (fixed) sendJson(response, Number(fixed[1]), errorBody({ status: Number(fixed[1]) }))
    else if (url.pathname.startsWith('/hang/')) await goneFor(gone.signal)
    else if (url.pathname.startsWith('/control/')) {
      await answerControl(request.method ?? 'GET', url, response, this, gone.signal)
    } else if (route === 'GET /v1/models') {
      sendJson(response, 200, {
        object: 'list',
        data: [{ id: 'test-model', object: 'model', owned_by: 'test' }],
      })
    } else if (route === 'POST /v1/chat/completions') {
      await this.#complete(
        request,
        JSON.parse(await text(request)) as CompletionRequest,
        response,
        gone.signal,
      )
    } else sendJson(response, 404, errorBody({ status: 404 }))
  }

  async #complete(
    request: IncomingMessage,
    body: CompletionRequest,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const lastUserMessage = body.messages.findLast((message) => message.role === 'user')?.content ?? ''
    const call = this.log.add({
      lastUserMessage,
      messages: body.messages,
      model: body.model,
      stream: body.stream ?? false,
      continuesFinal: body.continue_final_message ?? false,
      authorization: request.headers.authorization ?? null,
      requestId: String(request.headers['x-client-request-id'] ?? '') || null,
    })
    response.on('close', () => {
      if (!call.finished) call.aborted = true
      this.log.changed()
    })
    let directives: Directives
    let answer: Answer
    try {
      directives = this.#effective(parseDirectives(lastUserMessage, body.model), lastUserMessage)
      answer = answerTo(lastUserMessage, directives, begunBy(body.messages))
    } catch (error) {
      finishWith(call, response, 400, {
        error: { message: String(error), type: 'invalid_request_error', code: null },
      })
      return
    }
    const usage = usageOf(body, answer)
    if (directives.hang === 'before-headers') await goneFor(signal)
    if (directives.status !== undefined) {
      for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry'] as const) {
        const value = directives[name]
        if (value !== undefined) response.setHeader(name, value)
      }
    }
    if (directives.html) {
      call.finished = true
      const page = `<!doctype html><title>Sign in</title>${'x'.repeat((directives.huge ?? 0) * 1024 * 1024)}`
      response.writeHead(directives.status ?? 200, { 'content-type': 'text/html' }).end(page)
    } else if (directives.status !== undefined) {
      finishWith(call, response, directives.status, errorBody(directives))
    } else if (body.stream && !directives.json) {
      const includeUsage = body.stream_options?.include_usage ?? false
      const { log, gates } = this
      await playStream({
        call,
        directives,
        answer,
        response,
        signal,
        includeUsage,
        usage,
        log,
        gates,
        pacer: this.#pacer,
      })
    } else {
      if (directives.gate !== undefined) await this.gates.pass(directives.gate, signal)
      call.tokensSent = answer.length
      finishWith(call, response, 200, completion(call, directives, usage))
    }
  }

  /** Without the faults, when there were as many as `times` says. */
  #effective(directives: Directives, message: string): Directives {
    if (directives.times === undefined || this.log.countOf(message) <= directives.times) return directives
    const well = { ...directives }
    for (const fault of FAULTS) delete well[fault]
    return well
  }
}

function completion(call: ModelCall, { finish = 'stop' }: Directives, usage: object): object {
  const message = { role: 'assistant', content: expectedText(call.lastUserMessage) }
  return {
    id: `chatcmpl-${call.id}`,
    object: 'chat.completion',
    created: Math.floor(call.at / 1000),
    model: call.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage,
  }
}

/** The beginning of an answer that is to be gone on with. */
function begunBy(messages: CompletionRequest['messages']): string | undefined {
  const last = messages.at(-1)
  return last?.role === 'assistant' ? last.content : undefined
}

/** One token per four characters asked, and those of the answer. */
function usageOf(body: CompletionRequest, answer: Answer) {
  const chars = body.messages.reduce((sum, message) => sum + message.content.length, 0)
  const prompt_tokens = Math.ceil(chars / 4)
  return { prompt_tokens, completion_tokens: answer.length, total_tokens: prompt_tokens + answer.length }
}

function finishWith(call: ModelCall, response: ServerResponse, status: number, body: object): void {
  call.finished = true
  sendJson(response, status, body)
}
