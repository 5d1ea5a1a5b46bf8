/**
 * One request to the REST routes: sends the session's token, replaces a refused one once, checks the answer's shape, and
 * throws a {@link ParleyError} for everything that is not the answer. Nothing is retried here: who calls knows better.
 * Which routes there are is in the `api*.ts` files.
 */
import type * as z from 'zod'
import type { Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'
import type { Session } from './session.ts'

/** Answers that take longer than this count as lost, unless the call brings a signal of its own. */
const REQUEST_TIMEOUT_MS = 20_000

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Absent: the standard time-out. */
  readonly signal?: AbortSignal | undefined
  /** For what strangers may ask, too: nobody is made for it, and a refusal changes nobody. */
  readonly isPublic?: boolean
}

export class Caller {
  readonly #env: Environment
  readonly #session: Session

  constructor(env: Environment, session: Session) {
    this.#env = env
    this.#session = session
  }

  /** One that can be used now. */
  async token(): Promise<string> {
    return await this.#session.token()
  }

  /** @throws ParleyError */
  async json<T>(call: Call, shape: z.ZodType<T>): Promise<T> {
    const response = await this.send(call)
    const body: unknown = await response.json().catch(() => undefined)
    const answer = shape.safeParse(body)
    if (answer.success) return answer.data
    throw new ParleyError({
      code: 'bad_answer',
      detail: 'The server answered with something that this page does not understand.',
      status: response.status,
      retryable: true,
      cause: answer.error,
    })
  }

  /** For answers without a body. */
  async done(call: Call): Promise<void> {
    const response = await this.send(call)
    await response.body?.cancel()
  }

  /** @throws ParleyError for every answer but a good one */
  async send(call: Call): Promise<Response> {
    if (call.isPublic) return await this.#sendAsAnybody(call)
    const token = await this.#session.token()
    const response = await this.#fetch(call, token)
    if (response.ok) return response
    const refusal = await ParleyError.fromResponse(response)
    if (refusal.code === 'suspended') await this.#session.suspended(token)
    // A wrong password says nothing about the token.
    if (refusal.status !== 401 || refusal.code === 'invalid_credentials') throw refusal
    return await okOrThrow(await this.#fetch(call, await this.#session.replace(token)))
  }

  /** A token that is not good any more must not keep anybody from what strangers may see. */
  async #sendAsAnybody(call: Call): Promise<Response> {
    const token = await this.#session.tokenIfAny().catch(() => null)
    const response = await this.#fetch(call, token)
    if (response.status !== 401 || token === null) return await okOrThrow(response)
    await response.body?.cancel()
    return await okOrThrow(await this.#fetch(call, null))
  }

  async #fetch({ method, path, body, headers, signal }: Call, token: string | null): Promise<Response> {
    try {
      return await this.#env.fetch(this.#env.origin + path, {
        method,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ?? AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
    } catch (error) {
      throw ParleyError.network(error)
    }
  }
}

async function okOrThrow(response: Response): Promise<Response> {
  if (response.ok) return response
  throw await ParleyError.fromResponse(response)
}

/** @returns the query with its `?`, or nothing; what is undefined is left out */
export function search(query: Readonly<Record<string, string | number | undefined>>): string {
  const entries = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  )
  const text = new URLSearchParams(entries).toString()
  return text && `?${text}`
}

export const conversationPath = (id: string) => `/api/conversations/${encodeURIComponent(id)}`
