/**
 * The provider behind Cloudflare's `AI` binding: no key, no address.
 *
 * It streams either its own form (`{"response":"…"}`) or, with newer models, chunks as OpenAI's; completion-chunk.ts reads
 * both. What happens to the answer is streamed-answer.ts's; here is the call, and what its errors mean.
 */
import type { Continuation } from '../protocol/provider-config.ts'
import { ModelFailure, type FailureClass } from './failure.ts'
import type { Model, ModelEvent, ModelHealth, ModelRequest } from './model.ts'
import { classifyThrown, isTooLong } from './openai-errors.ts'
import { streamAnswer, withPrefix, type Patience } from './streamed-answer.ts'

/** What we use of the binding. Its own type knows the models by name; ours come from the configuration. */
export interface AiBinding {
  run(
    model: string,
    inputs: Record<string, unknown>,
    options: { readonly signal: AbortSignal },
  ): Promise<unknown>
}

export interface WorkersAiModelOptions extends Patience {
  /** `workers-ai` when left out. */
  readonly name?: string | undefined
  readonly ai: AiBinding
  /** Used when a request names none. */
  readonly model: string
  readonly continuation?: Continuation | undefined
}

/**
 * Longest answer, in tokens. Without it an answer ends after 256; more than this may not fit beside the question into
 * the smallest contexts there (8,000 tokens).
 */
const MAX_TOKENS = 2_048

export class WorkersAiModel implements Model {
  readonly name: string
  readonly defaultModel: string
  readonly continues: boolean
  readonly #ai: AiBinding
  readonly #patience: Patience
  readonly #continuation: Continuation

  constructor(options: WorkersAiModelOptions) {
    this.name = options.name ?? 'workers-ai'
    this.defaultModel = options.model
    this.#continuation = options.continuation ?? 'none'
    this.continues = this.#continuation !== 'none'
    this.#ai = options.ai
    this.#patience = options
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    const model = request.model || this.defaultModel
    const answer = streamAnswer(
      {
        model,
        patience: this.#patience,
        request,
        send: (prefix, ended) => this.#send(request, model, prefix, ended),
        classify: classifyBinding,
      },
      signal,
    )
    for await (const event of answer) yield event.type === 'finish' ? withReason(event) : event
  }

  /** Nothing can be asked of the binding that costs nothing; that it is there is all that can be known. */
  check(): Promise<ModelHealth> {
    return Promise.resolve({ ok: true })
  }

  async #send(request: ModelRequest, model: string, prefix: string, signal: AbortSignal): Promise<Response> {
    const messages = withPrefix(request.messages, prefix, this.#continuation)
    const answer = await this.#ai.run(
      model,
      {
        messages,
        stream: true,
        max_tokens: MAX_TOKENS,
        ...(prefix !== '' &&
          this.#continuation === 'continue' && {
            continue_final_message: true,
            add_generation_prompt: false,
          }),
      },
      { signal },
    )
    if (answer instanceof Response) return answer
    if (answer instanceof ReadableStream) {
      return new Response(answer, { headers: { 'content-type': 'text/event-stream' } })
    }
    // A model that cannot stream answers all at once, and says by that that it is at its end.
    return new Response(`data: ${JSON.stringify(answer)}\n\ndata: [DONE]\n\n`, {
      headers: { 'content-type': 'text/event-stream' },
    })
  }
}

/** Its own form has no finish reason: `[DONE]` is the end, and an answer as long as may be was cut. */
function withReason(event: Extract<ModelEvent, { type: 'finish' }>): ModelEvent {
  if (event.reason !== 'unknown') return event
  return { ...event, reason: (event.usage?.outputTokens ?? 0) >= MAX_TOKENS ? 'length' : 'stop' }
}

/**
 * Codes that stand at the beginning of the binding's errors ("3040: Capacity temporarily exceeded, please try again."),
 * with the status that goes with each: https://developers.cloudflare.com/workers-ai/platform/errors/
 */
const CODES: Readonly<Record<string, readonly [FailureClass, number, string]>> = {
  '3003': ['bad_request', 400, 'The model provider refused the request'],
  '3006': ['context_length', 413, 'The conversation is larger than the model provider accepts'],
  '3007': ['timeout', 408, 'The model provider did not answer in time'],
  '3008': ['timeout', 408, 'The model provider gave the request up'],
  '3023': ['auth', 403, 'The model provider refused our account'],
  '3036': ['quota', 429, 'The quota at the model provider is used up'],
  '3040': ['overloaded', 429, 'The model provider has no capacity left'],
  '3041': ['auth', 403, 'The model provider refused our account'],
  '3042': ['bad_request', 404, 'The model provider does not know this model'],
  '5004': ['bad_request', 400, 'The model provider refused the request'],
  '5005': ['bad_request', 405, 'The model provider refused the request'],
  '5007': ['bad_request', 400, 'The model provider does not know this model'],
  '5016': ['auth', 403, 'The terms of this model have not been agreed to'],
  '5018': ['auth', 403, 'The model provider refused our account'],
}

/** What the binding throws: an error of the service begins with its code, one of the network has none. */
export function classifyBinding(error: unknown): ModelFailure {
  if (error instanceof ModelFailure) return error
  const message = error instanceof Error ? error.message : ''
  const code = /^(?:\w*Error: )?(?:AiError: )?(?:\w*Error: )?(\d{4}):/.exec(message)?.[1]
  if (isTooLong(message)) {
    return new ModelFailure('context_length', 'The conversation is longer than the model accepts.', {
      cause: error,
      providerCode: code,
    })
  }
  if (code === undefined) {
    return isUpstream(error)
      ? new ModelFailure('server', 'The model provider failed.', { cause: error })
      : classifyThrown(error)
  }
  const [failure, providerStatus, says] = CODES[code] ?? ['server', undefined, 'The model provider failed']
  const options = { cause: error, providerStatus, providerCode: code }
  return new ModelFailure(failure, `${says} (code ${code}).`, options)
}

function isUpstream(error: unknown): boolean {
  return error instanceof Error && /InferenceUpstreamError|AiInternalError|AiError/.test(error.name)
}
