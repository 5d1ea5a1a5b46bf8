/**
 * Somebody with an account, for tests of the Worker: registers or signs in, and asks with their tokens. Each comes from a
 * network of their own, so that the tries of one test are no concern of another.
 */
import { sessionAnswer, type SessionAnswer } from '../../src/protocol/accounts.ts'
import { ask } from './worker-guest.ts'

export const PASSWORD = 'correct horse battery'

/** An address that nobody has registered. */
export const newEmail = (): string => `u${crypto.randomUUID()}@corp.example`

let networks = 0
/** An address that no other test comes from. */
export function newAddress(): string {
  networks += 1
  const random = crypto.getRandomValues(new Uint8Array(2))
  return `2001:db8:${networks.toString(16)}:${random[0]?.toString(16)}${random[1]?.toString(16)}::1`
}

export function send(
  method: string,
  path: string,
  {
    body,
    token,
    address,
    headers,
  }: {
    readonly body?: unknown
    readonly token?: string
    readonly address?: string
    readonly headers?: Record<string, string>
  } = {},
): Promise<Response> {
  return ask(path, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      'cf-connecting-ip': address ?? newAddress(),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

export const login = (email: string, password: string, address?: string): Promise<Response> =>
  send('POST', '/api/auth/login', { body: { email, password }, ...(address !== undefined && { address }) })

export const refresh = (refreshToken: string): Promise<Response> =>
  send('POST', '/api/auth/refresh', { body: { refreshToken } })

export async function sessionFrom(response: Response, status = 200): Promise<SessionAnswer> {
  if (response.status !== status) throw new Error(`${response.status} ${await response.text()}`)
  return sessionAnswer.strict().parse(await response.json())
}

export class Account {
  readonly email: string
  readonly userId: string
  session: SessionAnswer

  private constructor(email: string, session: SessionAnswer) {
    this.email = email
    this.userId = session.user.id
    this.session = session
  }

  static async register(guestToken?: string): Promise<Account> {
    const email = newEmail()
    const body = { email, password: PASSWORD, name: 'Ada' }
    const response = await send('POST', '/api/auth/register', {
      body,
      ...(guestToken !== undefined && { token: guestToken }),
    })
    return new Account(email, await sessionFrom(response, 201))
  }

  /** On another device. */
  async login(password = PASSWORD): Promise<SessionAnswer> {
    return await sessionFrom(await login(this.email, password))
  }

  request(method: string, path: string, body?: unknown, token = this.session.accessToken): Promise<Response> {
    return send(method, path, { token, ...(body !== undefined && { body }) })
  }

  /** Status of the simplest request with an access token. */
  async statusOf(token: string): Promise<number> {
    return (await send('GET', '/api/me', { token })).status
  }
}
