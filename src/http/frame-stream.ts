/**
 * The frames of one turn on their way out of a conversation: JSON lines in, server-sent events out, with heartbeats.
 *
 * If the conversation's process dies the stream ends without a turn's end (rule C4), and the caller resumes.
 */
import { SSE_HEARTBEAT, SseEncoder, type ResumePoint } from '../codecs/sse.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'

/** Below the idle limits of common proxies (30 to 60 s). */
const HEARTBEAT_MS = 15_000

/** @param first frames that go out before those of the stream */
export function sseResponse(
  lines: ReadableStream<Uint8Array>,
  from: ResumePoint | undefined,
  first: readonly ServerFrame[] = [],
): Response {
  const encoder = new SseEncoder(from)
  const bytes = new TextEncoder()
  const reader = lines.pipeThrough(new TextDecoderStream()).getReader()
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
          const { done, value } = await reader.read()
          if (done) {
            stopHeartbeat()
            controller.close()
            return
          }
          const complete = (rest + value).split('\n')
          rest = complete.pop() ?? ''
          if (complete.length === 0) continue
          // The lines come from our own object, which composed them from the same types.
          const text = complete.map((line) => encoder.encode(JSON.parse(line) as ServerFrame)).join('')
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
