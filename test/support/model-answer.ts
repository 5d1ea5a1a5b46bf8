/**
 * Asks a model and gathers what it says, up to its end or its failure, for tests of providers.
 */
import type { Model, ModelEvent, ModelMessage } from '../../src/models/model.ts'

export interface ModelAnswer {
  readonly events: readonly ModelEvent[]
  readonly text: string
  readonly finish: Extract<ModelEvent, { type: 'finish' }> | undefined
  /** What was thrown, if anything was. */
  readonly error: unknown
}

export interface AskOptions {
  readonly signal?: AbortSignal
  readonly model?: string
  readonly admitted?: string
  /** Called with each event and the text so far, before the next is asked for. */
  readonly onEvent?: (event: ModelEvent, text: string) => void | Promise<void>
}

export async function ask(
  model: Model,
  messages: string | readonly ModelMessage[],
  { signal = new AbortController().signal, model: name = 'test-model', admitted, onEvent }: AskOptions = {},
): Promise<ModelAnswer> {
  const events: ModelEvent[] = []
  let text = ''
  let finish: ModelAnswer['finish']
  let error: unknown
  try {
    const request = {
      messages: typeof messages === 'string' ? [{ role: 'user' as const, content: messages }] : messages,
      model: name,
      requestId: 'request-1',
      admitted,
    }
    for await (const event of model.stream(request, signal)) {
      events.push(event)
      if (event.type === 'text') text += event.text
      else finish = event
      await onEvent?.(event, text)
    }
  } catch (thrown) {
    error = thrown
  }
  return { events, text, finish, error }
}
