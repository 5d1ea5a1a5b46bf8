/**
 * Reads server-sent events off a response, each checked against the protocol; to the end, or until the test has enough
 * and goes away in the middle.
 */
import { serverFrame, type ServerFrame } from '../../src/protocol/server-frames.ts'

export interface SseEvent {
  readonly event: string
  readonly id: string
  readonly frame: ServerFrame
}

/** @param enough after this event the response is cancelled */
export async function readSse(
  response: Response,
  enough?: (event: SseEvent) => boolean,
): Promise<SseEvent[]> {
  if (!response.ok || !response.body) throw new Error(`${response.status}: ${await response.text()}`)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  const events: SseEvent[] = []
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return events
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (block.startsWith(':')) continue
      const event = parse(block)
      events.push(event)
      if (!enough?.(event)) continue
      await reader.cancel()
      return events
    }
  }
}

function parse(block: string): SseEvent {
  const match = /^event: (\w+)\nid: (\d+:\d+)\ndata: ([^\n]+)$/.exec(block)
  if (!match) throw new Error(`this is no event of ours: ${block}`)
  const [, event = '', id = '', data = ''] = match
  const frame = serverFrame.parse(JSON.parse(data))
  if (frame.type !== event) throw new Error(`a ${frame.type} came as ${event}`)
  return { event, id, frame }
}
