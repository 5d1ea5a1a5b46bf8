/**
 * The frames of one turn on their way out of a conversation: JSON lines in, server-sent events out, with heartbeats.
 *
 * If the conversation's process dies the stream breaks off without a turn's end (rule C4), and the caller resumes.
 */
import { SSE_HEARTBEAT, SseEncoder, type ResumePoint } from '../codecs/sse.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'

/** Below the idle limits of common proxies (30 to 60 s). */
const HEARTBEAT_MS = 15_000

type Lines = ReadableStreamDefaultReader<string>

/** @param first frames that go out before those of the stream */
export function sseResponse(
  lines: ReadableStream<Uint8Array>,
  from: ResumePoint | undefined,
  first: readonly ServerFrame[] = [],
): Response {
  return respond(read(lines), null, from, first)
}

/** @returns null when the stream has nothing to say: the caller has all of the turn */
export async function resumedSseResponse(
  lines: ReadableStream<Uint8Array>,
  from: ResumePoint | undefined,
): Promise<Response | null> {
  const reader = read(lines)
  const ahead = reader.read()
  // A stream that breaks is not at its end: the caller hears of it where it looks for it.
  const isOver = await ahead.then(
    ({ done }) => done,
    () => false,
  )
  return isOver ? null : respond(reader, ahead, from, [])
}

const read = (lines: ReadableStream<Uint8Array>): Lines =>
  lines.pipeThrough(new TextDecoderStream()).getReader()

/** @param ahead what was read before the response was begun */
function respond(
  reader: Lines,
  ahead: ReturnType<Lines['read']> | null,
  from: ResumePoint | undefined,
  first: readonly ServerFrame[],
): Response {
  const encoder = new SseEncoder(from)
  const bytes = new TextEncoder()
  let heartbeat: ReturnType<typeof setInterval> | undefined
  const stopHeartbeat = (): void => clearInterval(heartbeat)
  let rest = ''

  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const frame of first) controller.enqueue(bytes.encode(encoder.encode(frame)))
      heartbeat = setInterval(() => controller.enqueue(bytes.encode(SSE_HEARTBEAT)), HEARTBEAT_MS)
    },
    async pull(controller) {
      try {
        // A read may end inside a line: go on until there is something to send.
        for (;;) {
          const { done, value } = await (ahead ?? reader.read())
          ahead = null
          if (done) {
            stopHeartbeat()
            controller.close()
            return
          }
          const complete = (rest + value).split('\n')
          rest = complete.pop() ?? ''
          // The lines come from our own object, which composed them from the same types; an empty one says nothing.
          const text = complete
            .map((line) => line && encoder.encode(JSON.parse(line) as ServerFrame))
            .join('')
          if (text === '') continue
          controller.enqueue(bytes.encode(text))
          return
        }
      } catch (error) {
        stopHeartbeat()
        controller.error(error)
      }
    },
    async cancel(reason) {
      stopHeartbeat()
      await reader.cancel(reason)
    },
  })
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // Some proxies buffer a response unless told not to.
      'x-accel-buffering': 'no',
    },
  })
}
