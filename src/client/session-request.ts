/**
 * The requests that make or renew tokens. They cannot go the way of other calls, which ask for a token first; and their
 * answers are checked, since a session that is not one would lock the person out.
 */
import type * as z from 'zod'
import type { Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'

/** How long to wait for a token before the attempt counts as failed. */
const TOKEN_TIMEOUT_MS = 15_000

interface SessionCall {
  readonly path: string
  /** Of the person that asks, where one is known. */
  readonly token: string | null
  readonly body?: unknown
}

/** @throws ParleyError */
export async function postForSession<T>(
  env: Environment,
  call: SessionCall,
  shape: z.ZodType<T>,
): Promise<T> {
  const response = await postAs(env, call)
  const answer = shape.safeParse(await response.json().catch(() => null))
  if (answer.success) return answer.data
  const detail = 'The server answered with something that is not a session.'
  throw new ParleyError({ code: 'bad_answer', detail, retryable: true, status: response.status })
}

/** @throws ParleyError */
export async function postAs(env: Environment, { path, token, body }: SessionCall): Promise<Response> {
  const headers: Record<string, string> = {
    ...(token !== null && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  let response: Response
  try {
    response = await env.fetch(env.origin + path, {
      method: 'POST',
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    })
  } catch (error) {
    throw ParleyError.network(error)
  }
  if (!response.ok) throw await ParleyError.fromResponse(response)
  return response
}
