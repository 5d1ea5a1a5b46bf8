/**
 * The floor that Parley is measured against: a room that relays a model's stream to its sockets, with no storage, no
 * checks and no history. As lean as one writes it by hand, and neither slower nor faster on purpose.
 *
 * Wire format. A socket is opened at any path; the path is the room. Each text frame from a client is a question. Every
 * socket of the room receives `{"delta":"…"}` for each token, then `{"done":true}`; or `{"error":<status>}`.
 */
import { DurableObject } from 'cloudflare:workers'

interface Env {
  readonly ROOMS: DurableObjectNamespace<RelayRoom>
  /** Up to and including `/v1`. */
  readonly OPENAI_BASE_URL: string
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[]
}

export class RelayRoom extends DurableObject<Env> {
  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }

  override async webSocketMessage(_socket: WebSocket, question: string): Promise<void> {
    const response = await fetch(`${this.env.OPENAI_BASE_URL}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'relay',
        stream: true,
        messages: [{ role: 'user', content: question }],
      }),
    })
    if (!response.ok || !response.body) return this.#broadcast({ error: response.status })
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue
        const data = line.slice('data: '.length)
        if (data === '[DONE]') this.#broadcast({ done: true })
        else {
          const delta = (JSON.parse(data) as Chunk).choices[0]?.delta.content
          if (delta) this.#broadcast({ delta })
        }
      }
    }
  }

  /** Sockets that may sleep must answer a close themselves, or the client waits for it. */
  override webSocketClose(socket: WebSocket): void {
    socket.close(1000)
  }

  #broadcast(frame: object): void {
    const text = JSON.stringify(frame)
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }
}

export default {
  fetch: (request: Request, env: Env): Promise<Response> =>
    env.ROOMS.get(env.ROOMS.idFromName(new URL(request.url).pathname)).fetch(request),
}
