/**
 * Keeps what a provider says with an error short: the SDK reads the whole body of a refusal into memory, and a gateway's
 * error page, or a hostile server, may fill the isolate with it. Answers pass untouched.
 */

/** An error object has a few hundred bytes. */
const MAX_ERROR_BYTES = 64 * 1024

export function withShortErrors(ask: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await ask(input, init)
    if (response.status < 400 || response.body === null) return response
    const { status, headers } = response
    return new Response(await beginningOf(response.body), { status, headers: withoutLength(headers) })
  }
}

async function beginningOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let left = MAX_ERROR_BYTES; left > 0;) {
    const { value, done } = await reader.read()
    if (done) return text
    text += decoder.decode(value.subarray(0, left), { stream: true })
    left -= value.length
  }
  await reader.cancel()
  return text
}

/** They are those of the body that came, which was decoded and may have been cut. */
function withoutLength(headers: Headers): Headers {
  const rest = new Headers(headers)
  rest.delete('content-length')
  rest.delete('content-encoding')
  return rest
}
