/**
 * For tests of HTTP itself: the app asked with variables of the test's own, and the check that an answer is a problem as
 * promised. Asking the Worker as it is, and as somebody, is worker-guest.ts.
 */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { ERRORS } from '../../src/errors.ts'
import { problem, type Problem } from '../../src/protocol/http.ts'

type Ask = (path: string, init?: RequestInit) => Promise<Response>

/** Asks the app with these variables and bindings instead of those of the tests, each time as in the same isolate. */
export function askerWith(variables: Record<string, unknown>): Ask {
  const own = { ...env, ...variables } as unknown as Env
  return async (path, init = {}) => {
    const context = createExecutionContext()
    const response = await app.fetch(new Request(`http://parley.test${path}`, init), own, context)
    await waitOnExecutionContext(context)
    return response
  }
}

/** The same once, as in a new isolate. */
export function askWith(
  variables: Record<string, unknown>,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  return askerWith(variables)(path, init)
}

/** Checks that it is a problem as promised. */
export async function problemFrom(response: Response, status: number, code: string): Promise<Problem> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const body = problem.strict().parse(await response.json())
  expect({ status: response.status, code: body.code }).toEqual({ status, code })
  expect(body).toMatchObject({
    status,
    type: 'about:blank',
    title: ERRORS[code as keyof typeof ERRORS].title,
  })
  expect(body.requestId).toBe(response.headers.get('x-request-id'))
  return body
}
