/**
 * An OIDC provider as far as an API meets one: an HTTP server that publishes keys at `/jwks`, and signs tokens. Tests in its
 * process change its keys and switch it off; those in workerd ask it for tokens at `POST /sign`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose'
import { closeNow, listen, urlOf } from './loopback-server.ts'

export const AUDIENCE = 'parley-test'

interface Key {
  readonly alg: string
  readonly sign: CryptoKey
  readonly jwk: JWK
}

export class IdentityProvider {
  /** How often the keys were asked for. */
  asked = 0
  /** Answers 503 to everybody. */
  isDown = false
  readonly #keys = new Map<string, Key>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/jwks') {
      this.asked += 1
      const keys = [...this.#keys.values()].map(({ jwk }) => jwk)
      response.writeHead(this.isDown ? 503 : 200, { 'content-type': 'application/json' })
      response.end(this.isDown ? '' : JSON.stringify({ keys }))
    } else {
      const claims = JSON.parse(await text(request)) as JWTPayload
      response.end(await this.sign(claims))
    }
  }

  static async start(): Promise<IdentityProvider> {
    const provider = new IdentityProvider()
    await provider.addKey('first')
    await listen(provider.#server)
    return provider
  }

  /** Its issuer, too. */
  get url(): string {
    return urlOf(this.#server)
  }

  async close(): Promise<void> {
    await closeNow(this.#server)
  }

  async addKey(kid: string, alg = 'RS256'): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(alg)
    this.#keys.set(kid, {
      alg,
      sign: privateKey,
      jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
    })
  }

  removeKey(kid: string): void {
    this.#keys.delete(kid)
  }

  publicKey(kid: string): JWK {
    const key = this.#keys.get(kid)
    if (!key) throw new Error(`no key ${kid}`)
    return key.jwk
  }

  /** With what a token needs, where the claims do not say otherwise; undefined leaves a claim out. */
  async sign(claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}, kid = 'first'): Promise<string> {
    const key = this.#keys.get(kid)
    if (!key) throw new Error(`no key ${kid}`)
    const now = Math.floor(Date.now() / 1000)
    const all = { iss: this.url, aud: AUDIENCE, sub: 'somebody', iat: now, exp: now + 300, ...claims }
    return await new SignJWT(all).setProtectedHeader({ alg: key.alg, kid, ...header }).sign(key.sign)
  }
}
