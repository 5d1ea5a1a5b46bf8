/**
 * What one `data:` of a chat completions stream says, read with distrust.
 *
 * "OpenAI-compatible" servers differ in what they leave out or set to null, so each field is looked at before it is
 * used, by hand: this runs for every token, where a schema would cost more than the parsing. Errors inside the stream
 * are handed on as they came; what they mean is said by openai-errors.ts.
 */
import type { FinishReason, Usage } from '../protocol/message.ts'

export interface CompletionChunk {
  /** Text for the reader, a refusal included. Empty when the chunk has none. */
  readonly text: string
  /** The model is at work on something not shown (reasoning): a sign of life, though no text. */
  readonly thinking: boolean
  readonly finishReason: FinishReason | undefined
  readonly model: string | undefined
  readonly usage: Usage | undefined
}

/** A failure told inside the stream, after the status said 200. */
export interface StreamedError {
  readonly error: unknown
}

type Fields = Record<string, unknown>

/**
 * Reads a chunk of a stream (`delta`), or a whole completion (`message`) from a server that does not stream.
 *
 * @throws SyntaxError when it is not a JSON object
 */
export function readCompletionChunk(data: string): CompletionChunk | StreamedError {
  const chunk: unknown = JSON.parse(data)
  if (!isObject(chunk)) throw new SyntaxError('not a JSON object')
  if (chunk['error'] !== undefined && chunk['error'] !== null) return { error: chunk['error'] }
  if (chunk['object'] === 'error') return { error: chunk }

  const choices = chunk['choices']
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
  let text = ''
  let thinking = false
  let finishReason: FinishReason | undefined
  if (isObject(choice)) {
    const delta = choice['delta'] ?? choice['message']
    if (isObject(delta)) {
      if (typeof delta['content'] === 'string') text = delta['content']
      else if (typeof delta['refusal'] === 'string') text = delta['refusal']
      thinking = text === '' && isThinking(delta)
    }
    if (typeof choice['finish_reason'] === 'string') {
      finishReason = FINISH_REASONS.get(choice['finish_reason']) ?? 'unknown'
    }
  } else text = readResponse(chunk['response'])
  const model = chunk['model']
  return {
    text,
    thinking,
    finishReason,
    model: typeof model === 'string' && model !== '' ? model : undefined,
    usage: readUsage(chunk['usage']),
  }
}

const FINISH_REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['content_filter', 'content_filter'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
])

/** Workers AI's own form, which older models there have: a token that is a number comes as one. */
function readResponse(response: unknown): string {
  return typeof response === 'string' ? response : typeof response === 'number' ? String(response) : ''
}

/** DeepSeek, vLLM and llama.cpp say `reasoning_content`, OpenRouter and Ollama `reasoning`. */
function isThinking(delta: Fields): boolean {
  const reasoning = delta['reasoning_content'] ?? delta['reasoning']
  return typeof reasoning === 'string' && reasoning !== ''
}

function readUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const inputTokens = usage['prompt_tokens']
  const outputTokens = usage['completion_tokens']
  return isCount(inputTokens) && isCount(outputTokens) ? { inputTokens, outputTokens } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
