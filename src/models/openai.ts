/**
 * The provider behind the OpenAI SDK: OpenAI itself, or any server that speaks its chat completions.
 *
 * The SDK builds, authenticates and sends the request and names the errors. The body is read by our own SseReader, one
 * event per network read, because the SDK's iterator costs more per token than the rest of a turn. Here is the order of
 * one call; its chunks, errors and waiting have files of their own. It asks once: trying again is the caller's decision.
 */
import OpenAI, { APIError } from 'openai'
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions'
import { AppError } from '../errors.ts'
import { AnswerReader } from './answer-reader.ts'
import { CallGuard, monotonicMs } from './call-guard.ts'
import type { Model, ModelEvent, ModelHealth, ModelMessage, ModelRequest } from './model.ts'
import { classifyThrown } from './openai-errors.ts'
import { chooseReader } from './response-reader.ts'

export interface OpenAIModelOptions {
  /** Local servers need none. */
  readonly apiKey?: string | undefined
  /** Up to and including `/v1`. Without it, OpenAI's own. */
  readonly baseUrl?: string | undefined
  /** Used when a request names none. */
  readonly model: string
  /** From the call until the model begins (text, or reasoning that is not shown): connecting, headers and prefill. */
  readonly firstTokenTimeoutMs: number
  /** Longest silence once it has begun. */
  readonly gapTimeoutMs: number
  readonly fetch?: typeof fetch | undefined
}

const OPENAI_BASE_URL = 'https://api.openai.com/v1'

/** The SDK refuses to start without a key; servers that need none ignore this one. */
const NO_API_KEY = 'none'

/**
 * How long to wait for usage and `[DONE]` once the model said why it ended. The answer is complete by then, and a server
 * that sends neither must not hold the turn.
 */
const TRAILER_TIMEOUT_MS = 2_000

/** How long to wait for the end of a body after `[DONE]`, so that its connection can serve the next call. */
const DRAIN_TIMEOUT_MS = 1_000

type BodyReader = ReadableStreamDefaultReader<Uint8Array>

export class OpenAIModel implements Model {
  readonly name = 'openai'
  readonly defaultModel: string
  readonly #client: OpenAI
  readonly #firstTokenTimeoutMs: number
  readonly #gapTimeoutMs: number

  constructor(options: OpenAIModelOptions) {
    this.defaultModel = options.model
    this.#firstTokenTimeoutMs = options.firstTokenTimeoutMs
    this.#gapTimeoutMs = options.gapTimeoutMs
    this.#client = new OpenAI({
      apiKey: options.apiKey || NO_API_KEY,
      baseURL: options.baseUrl || OPENAI_BASE_URL,
      // What the SDK is not told, it reads from the environment, past our checked configuration.
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      logLevel: 'off',
      maxRetries: 0,
      // The guard ends a call before this, with an error that says more.
      timeout: options.firstTokenTimeoutMs + 10_000,
      ...(options.fetch && { fetch: options.fetch }),
    })
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    signal.throwIfAborted()
    const model = request.model || this.defaultModel
    const answer = new AnswerReader()
    const guard = new CallGuard(signal, () => silence(answer.started))
    let response: Promise<Response> | undefined
    let body: BodyReader | undefined
    let due = monotonicMs() + this.#firstTokenTimeoutMs
    let trailing = false
    try {
      response = this.#send(request, model, guard.signal)
      const { reader, stream } = chooseReader(await guard.wait(response, due))
      body = stream.getReader()
      while (!answer.ended) {
        const bytes = await this.#read(body, guard, due, answer)
        const text = answer.take(bytes === undefined ? reader.end() : reader.push(bytes), bytes === undefined)
        if (text !== '') yield { type: 'text', text }
        if (answer.failure !== undefined) throw answer.failure
        if (answer.finishReason === undefined) {
          if (answer.moved && answer.started) due = monotonicMs() + this.#gapTimeoutMs
        } else if (!trailing) {
          trailing = true
          due = monotonicMs() + Math.min(this.#gapTimeoutMs, TRAILER_TIMEOUT_MS)
        }
      }
      signal.throwIfAborted()
      const reason = answer.finishReason ?? 'unknown'
      yield { type: 'finish', reason, model: answer.model ?? model, usage: answer.usage }
    } catch (error) {
      signal.throwIfAborted()
      throw classifyThrown(error)
    } finally {
      if (answer.ended && body !== undefined) void drain(body, guard)
      else {
        guard.close()
        // An abort closes the socket in both runtimes; a `fetch` that was handed in may not listen to it.
        void (body === undefined ? response?.then((late) => late.body?.cancel()) : body.cancel())?.catch(
          ignore,
        )
      }
    }
  }

  async check(signal: AbortSignal): Promise<ModelHealth> {
    const guard = new CallGuard(signal, () => silence(false))
    try {
      const due = monotonicMs() + this.#firstTokenTimeoutMs
      const response = await guard.wait(
        this.#client.get('/models', { signal: guard.signal }).asResponse(),
        due,
      )
      await response.body?.cancel()
      return { ok: true }
    } catch (error) {
      if (signal.aborted) return { ok: false, detail: silence(false).message }
      // Some servers have chat completions and no list of models.
      if (error instanceof APIError && error.status === 404) return { ok: true }
      return { ok: false, detail: classifyThrown(error).message }
    } finally {
      guard.close()
    }
  }

  #send(request: ModelRequest, model: string, signal: AbortSignal): Promise<Response> {
    return this.#client.chat.completions
      .create(
        {
          model,
          messages: request.messages.map(toParam),
          stream: true,
          stream_options: { include_usage: true },
        },
        { signal, headers: { 'X-Client-Request-Id': request.requestId } },
      )
      .asResponse()
  }

  /** @returns undefined at the end of the stream, and for whatever happens to it after the model's end */
  async #read(
    body: BodyReader,
    guard: CallGuard,
    due: number,
    answer: AnswerReader,
  ): Promise<Uint8Array | undefined> {
    try {
      return (await guard.wait(body.read(), due)).value
    } catch (error) {
      if (answer.finishReason === undefined) throw error
      return undefined
    }
  }
}

function toParam({ role, content }: ModelMessage): ChatCompletionMessageParam {
  // A tool's result belongs to a call by its id, which the port does not carry.
  if (role === 'tool')
    throw new AppError('model_rejected', 'Results of tools cannot be sent to this provider.')
  return { role, content }
}

function silence(started: boolean): AppError {
  return started
    ? new AppError('model_timeout', 'The model provider stopped in the middle of its answer.')
    : new AppError('model_timeout', 'The model provider did not begin to answer in time.')
}

async function drain(body: BodyReader, guard: CallGuard): Promise<void> {
  const due = monotonicMs() + DRAIN_TIMEOUT_MS
  try {
    while (!(await guard.wait(body.read(), due)).done);
  } catch {
    // The answer is complete; all that is lost is a connection.
  } finally {
    guard.close()
  }
}

function ignore(): void {
  // A body that cannot be cancelled has ended already.
}
