/**
 * The provider behind the OpenAI SDK: OpenAI itself, or any server that speaks its chat completions.
 *
 * The SDK builds, authenticates and sends the request and names the errors. The body is read by our own SseReader, one
 * event per network read, because the SDK's iterator costs more per token than the rest of a turn. What happens to the
 * answer is streamed-answer.ts's.
 */
import OpenAI, { APIError } from 'openai'
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions'
import type { Continuation } from '../protocol/provider-config.ts'
import { CallGuard, monotonicMs } from './call-guard.ts'
import { ModelFailure } from './failure.ts'
import type { Model, ModelEvent, ModelHealth, ModelMessage, ModelRequest } from './model.ts'
import { classifyThrown } from './openai-errors.ts'
import { withShortErrors } from './short-errors.ts'
import { silence, streamAnswer, withPrefix, type Patience } from './streamed-answer.ts'

export interface OpenAIModelOptions extends Patience {
  /** `openai` when left out. */
  readonly name?: string | undefined
  /** Local servers need none. */
  readonly apiKey?: string | undefined
  /** Up to and including `/v1`. Without it, OpenAI's own. */
  readonly baseUrl?: string | undefined
  /** Used when a request names none. */
  readonly model: string
  /** How it is asked to go on from the beginning of an answer; `none` when left out. */
  readonly continuation?: Continuation | undefined
  readonly fetch?: typeof fetch | undefined
}

const OPENAI_BASE_URL = 'https://api.openai.com/v1'

/** The SDK refuses to start without a key; servers that need none ignore this one. */
const NO_API_KEY = 'none'

export class OpenAIModel implements Model {
  readonly name: string
  readonly defaultModel: string
  readonly continues: boolean
  readonly #client: OpenAI
  readonly #patience: Patience
  readonly #continuation: Continuation

  constructor(options: OpenAIModelOptions) {
    this.name = options.name ?? 'openai'
    this.defaultModel = options.model
    this.#continuation = options.continuation ?? 'none'
    this.continues = this.#continuation !== 'none'
    this.#patience = options
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
      fetch: withShortErrors(options.fetch ?? ((input, init) => fetch(input, init))),
    })
  }

  stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    const model = request.model || this.defaultModel
    return streamAnswer(
      {
        model,
        patience: this.#patience,
        request,
        send: (prefix, ended) => this.#send(request, model, prefix, ended),
        classify: classifyThrown,
      },
      signal,
    )
  }

  async check(signal: AbortSignal): Promise<ModelHealth> {
    const guard = new CallGuard(signal, () => silence(false))
    try {
      const due = monotonicMs() + this.#patience.firstTokenTimeoutMs
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

  #send(request: ModelRequest, model: string, prefix: string, signal: AbortSignal): Promise<Response> {
    const body = {
      model,
      messages: withPrefix(request.messages.map(toParam), prefix, this.#continuation),
      stream: true,
      stream_options: { include_usage: true },
      ...(prefix !== '' &&
        this.#continuation === 'continue' && { continue_final_message: true, add_generation_prompt: false }),
    }
    return this.#client.chat.completions
      .create(body as OpenAI.ChatCompletionCreateParamsStreaming, {
        signal,
        headers: { 'X-Client-Request-Id': request.requestId },
      })
      .asResponse()
  }
}

function toParam({ role, content }: ModelMessage): ChatCompletionMessageParam {
  // A tool's result belongs to a call by its id, which the port does not carry.
  if (role === 'tool')
    throw new ModelFailure('bad_request', 'Results of tools cannot be sent to this provider.')
  return { role, content }
}
