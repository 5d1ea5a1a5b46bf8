/**
 * One streamed call, from sending it to its finish: the same for every provider that answers with a body of events.
 *
 * The order of one call is here: who sends is handed in, and chunks, errors, waiting and the seam of a continuation have
 * files of their own. It asks once: trying again is the caller's decision.
 */
import type { Continuation } from '../protocol/provider-config.ts'
import { AnswerReader } from './answer-reader.ts'
import { CallGuard, monotonicMs } from './call-guard.ts'
import { ModelFailure } from './failure.ts'
import type { ModelEvent, ModelRequest } from './model.ts'
import { chooseReader } from './response-reader.ts'
import { Seam } from './seam.ts'

export interface Patience {
  /** From the call until the model begins (text, or reasoning that is not shown): connecting, headers and prefill. */
  readonly firstTokenTimeoutMs: number
  /** Longest silence once it has begun. */
  readonly gapTimeoutMs: number
  /** Longest call, whatever it says: a stream that never ends is one. */
  readonly totalTimeoutMs?: number | undefined
}

export interface StreamedCall {
  /** For the finish, where the provider does not name what answered. */
  readonly model: string
  readonly patience: Patience
  readonly request: ModelRequest
  /** @param prefix the beginning of the answer as it is to be sent; empty when there is none */
  readonly send: (prefix: string, signal: AbortSignal) => Promise<Response>
  /** What was thrown, as a failure. */
  readonly classify: (error: unknown) => ModelFailure
}

/** Longer than any call of ours lives: an object's outbound call keeps it alive for 15 minutes. */
const TOTAL_TIMEOUT_MS = 600_000

/**
 * How long to wait for usage and `[DONE]` once the model said why it ended. The answer is complete by then, and a server
 * that sends neither must not hold the turn.
 */
const TRAILER_TIMEOUT_MS = 2_000

/** How long to wait for the end of a body after `[DONE]`, so that its connection can serve the next call. */
const DRAIN_TIMEOUT_MS = 1_000

type BodyReader = ReadableStreamDefaultReader<Uint8Array>

/**
 * @throws ModelFailure
 * @throws the signal's reason when `signal` is aborted
 */
export async function* streamAnswer(
  { model, patience, request, send, classify }: StreamedCall,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent, void> {
  signal.throwIfAborted()
  const { firstTokenTimeoutMs, gapTimeoutMs, totalTimeoutMs = TOTAL_TIMEOUT_MS } = patience
  const answer = new AnswerReader()
  const seam = new Seam(request.prefix ?? '')
  const started = monotonicMs()
  const end = started + totalTimeoutMs
  const guard = new CallGuard(signal, () => (monotonicMs() >= end ? endless() : silence(answer.started)))
  let response: Promise<Response> | undefined
  let body: BodyReader | undefined
  let due = Math.min(started + firstTokenTimeoutMs, end)
  let trailing = false
  try {
    response = send(seam.sent, guard.signal)
    const { reader, stream } = chooseReader(await guard.wait(response, due))
    body = stream.getReader()
    while (!answer.ended) {
      const bytes = await readOn(body, guard, due, answer)
      const said = answer.take(bytes === undefined ? reader.end() : reader.push(bytes), bytes === undefined)
      const text = said === '' ? '' : seam.push(said)
      if (text !== '') yield { type: 'text', text }
      if (answer.failure !== undefined) throw answer.failure
      if (answer.finishReason === undefined) {
        if (answer.moved && answer.started) due = Math.min(monotonicMs() + gapTimeoutMs, end)
        // One that is never silent lets no timer see it waiting.
        if (monotonicMs() >= end && !answer.ended) throw endless()
      } else if (!trailing) {
        trailing = true
        due = monotonicMs() + Math.min(gapTimeoutMs, TRAILER_TIMEOUT_MS)
      }
    }
    signal.throwIfAborted()
    const rest = seam.end()
    if (rest !== '') yield { type: 'text', text: rest }
    const reason = answer.finishReason ?? 'unknown'
    yield { type: 'finish', reason, model: answer.model ?? model, usage: answer.usage }
  } catch (error) {
    signal.throwIfAborted()
    throw classify(error)
  } finally {
    if (answer.ended && body !== undefined) void drain(body, guard)
    else {
      guard.close()
      // An abort closes the socket in both runtimes; a `fetch` that was handed in may not listen to it.
      void (body === undefined ? response?.then((late) => late.body?.cancel()) : body.cancel())?.catch(ignore)
    }
  }
}

/**
 * The messages as they are sent, and at their end the beginning of the answer.
 *
 * @param mode how this provider is told to go on; other fields that it needs are the adapter's
 */
export function withPrefix<Message extends object>(
  messages: readonly Message[],
  prefix: string,
  mode: Continuation,
): readonly (Message | { role: 'assistant'; content: string; prefix?: true })[] {
  if (prefix === '') return messages
  const begun = { role: 'assistant', content: prefix } as const
  return [...messages, mode === 'prefix' ? { ...begun, prefix: true } : begun]
}

export function silence(started: boolean): ModelFailure {
  return started
    ? new ModelFailure('timeout', 'The model provider stopped in the middle of its answer.', {
        providerCode: 'gap',
      })
    : new ModelFailure('timeout', 'The model provider did not begin to answer in time.', {
        providerCode: 'first_token',
      })
}

function endless(): ModelFailure {
  return new ModelFailure('timeout', 'The model provider did not end its answer in time.', {
    providerCode: 'total',
  })
}

/** @returns undefined at the end of the stream, and for whatever happens to it after the model's end */
async function readOn(
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
