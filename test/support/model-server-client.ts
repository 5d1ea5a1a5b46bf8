/**
 * How tests talk to a model server in this or another process: look at its calls, wait for them, open gates.
 */
import type { CallQuery, ModelCall } from './model-calls.ts'

export class ModelServerClient {
  /** Without `/v1`. */
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  /** What `OPENAI_BASE_URL` is to be set to. */
  get baseUrl(): string {
    return `${this.url}/v1`
  }

  calls(): Promise<ModelCall[]> {
    return this.#json<ModelCall[]>('GET', '/control/calls')
  }

  /** Resolves with the calls that match, as soon as there are `count` (1) of them; fails after `timeoutMs`. */
  wait(query: CallQuery & { readonly timeoutMs?: number } = {}): Promise<ModelCall[]> {
    const { timeoutMs, ...rest } = query
    const params = new URLSearchParams()
    for (const [name, value] of Object.entries({ ...rest, timeout: timeoutMs })) {
      if (value !== undefined) params.set(name, String(value))
    }
    return this.#json<ModelCall[]>('GET', `/control/wait?${params}`)
  }

  async openGate(name: string): Promise<void> {
    await this.#json('POST', `/control/gates/${encodeURIComponent(name)}/open`)
  }

  async reset(): Promise<void> {
    await this.#json('POST', '/control/reset')
  }

  async #json<T>(method: string, path: string): Promise<T> {
    const response = await fetch(this.url + path, { method })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
}
