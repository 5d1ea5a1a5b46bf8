/**
 * A server that receives webhooks, as far as tests need one: what it answers at a path is scripted over HTTP, and so is what
 * it has received read. It verifies each request as a receiver would, with `node:crypto` and none of our code.
 *
 * A path is one receiver: `PUT /script/<path>` with `{secrets, answers}`, `GET /received/<path>`. Answers are used one after
 * the other, the last one for ever.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeNow, listen, urlOf } from './loopback-server.ts'

export interface ReceiverAnswer {
  /** `hang`: never answers; `drip`: answers 200 and never ends its body. */
  readonly status: number | 'hang' | 'drip'
  readonly headers?: Record<string, string>
}

export interface Received {
  readonly id: string
  readonly timestamp: number
  readonly body: { readonly type: string; readonly timestamp: string; readonly data: Record<string, unknown> }
  readonly contentType: string
  readonly signatures: number
  /** For each secret of the script, whether one of the signatures is right. */
  readonly verified: readonly boolean[]
}

interface Receiver {
  secrets: readonly string[]
  answers: ReceiverAnswer[]
  readonly received: Received[]
}

export class WebhookReceiver {
  readonly #receivers = new Map<string, Receiver>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
  }

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver()
    await listen(receiver.#server)
    return receiver
  }

  get url(): string {
    return urlOf(this.#server)
  }

  async close(): Promise<void> {
    await closeNow(this.#server)
  }

  #receiver(path: string): Receiver {
    const known = this.#receivers.get(path)
    if (known) return known
    const made: Receiver = { secrets: [], answers: [{ status: 204 }], received: [] }
    this.#receivers.set(path, made)
    return made
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, what = '', path = ''] = /^\/([^/]+)\/?(.*)$/.exec(request.url ?? '') ?? []
    const body = await text(request)
    if (what === 'script') {
      Object.assign(this.#receiver(path), JSON.parse(body) as Partial<Receiver>)
      response.end()
    } else if (what === 'received') {
      response.end(JSON.stringify(this.#receiver(path).received))
    } else {
      this.#receive(this.#receiver(path), request, response, body)
    }
  }

  #receive(receiver: Receiver, request: IncomingMessage, response: ServerResponse, body: string): void {
    const header = (name: string): string => String(request.headers[name] ?? '')
    const [id, timestamp] = [header('webhook-id'), header('webhook-timestamp')]
    const signatures = header('webhook-signature').split(' ')
    receiver.received.push({
      id,
      timestamp: Number(timestamp),
      body: JSON.parse(body) as Received['body'],
      contentType: header('content-type'),
      signatures: signatures.length,
      verified: receiver.secrets.map((secret) =>
        signatures.some((signature) => isRight(signature, secret, `${id}.${timestamp}.${body}`)),
      ),
    })
    const { status, headers = {} } = receiver.answers[0] ?? { status: 204 }
    if (receiver.answers.length > 1) receiver.answers.shift()
    if (status === 'hang') return
    response.writeHead(status === 'drip' ? 200 : status, headers)
    if (status === 'drip') response.write('and so on ')
    else response.end()
  }
}

function isRight(signature: string, secret: string, content: string): boolean {
  const [version, encoded = ''] = signature.split(',')
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key).update(content).digest()
  const given = Buffer.from(encoded, 'base64')
  return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
}
