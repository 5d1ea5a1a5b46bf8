/**
 * What a soak runs against: a whole `wrangler dev` with two providers of the same limits, the first of which can be unplugged;
 * and what can be seen of it from outside: its log, its memory, the calls that its providers got.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as z from 'zod'
import { guestAnswer } from '../../src/protocol/http.ts'
import { CuttableLink } from '../support/cuttable-link.ts'
import { spawnModelServer, type ModelServerProcess } from '../support/model-server-process.ts'
import { World } from '../support/parley-world.ts'
import { heapBytes } from '../support/isolate-heap.ts'
import { residentBytes, userOf } from '../support/process-table.ts'
import { TestUser } from '../support/test-user.ts'
import { quietEnv, ROOT } from '../support/wrangler-dev.ts'
import { MAIN, SECOND } from './asks.ts'

/** Calls that the first provider takes at a time: far fewer than there are conversations, so that a queue exists. */
export const CONCURRENT = 8

export interface BreakerLine {
  readonly event: 'breaker_opened' | 'breaker_half_open' | 'breaker_closed'
  readonly provider: string
  readonly why: string
  /** Ms since the epoch. */
  readonly at: number
}

const breakerLine = z.object({
  event: z.enum(['breaker_opened', 'breaker_half_open', 'breaker_closed']),
  provider: z.string(),
  why: z.string(),
  time: z.iso.datetime(),
})

const ADMIN = { email: 'root@example.com', password: 'correct horse battery', name: 'Root' }

export class Installation {
  readonly world: World
  readonly #cable: CuttableLink
  readonly #second: ModelServerProcess

  private constructor(world: World, cable: CuttableLink, second: ModelServerProcess) {
    this.world = world
    this.#cable = cable
    this.#second = second
  }

  /** @param breaker over the standard settings */
  static async start(breaker: object): Promise<Installation> {
    const [main, second] = [await spawnModelServer(), await spawnModelServer()]
    const link = await CuttableLink.to(main.client.url)
    const provider = { kind: 'openai', continuation: 'prefill' }
    const world = await World.start({
      modelServer: main,
      vars: {
        MODEL_PROVIDERS: JSON.stringify([
          { ...provider, ...named(MAIN), baseUrl: `${link.url}/v1`, limits: { concurrent: CONCURRENT } },
          // As narrow: whoever moves on to it waits there.
          {
            ...provider,
            ...named(SECOND),
            baseUrl: second.client.baseUrl,
            limits: { concurrent: CONCURRENT },
          },
        ]),
        MODEL_CONTINUE: 'on',
        BREAKER: JSON.stringify(breaker),
        // What hangs is given up soon, but not for a moment in which the machine has other things to do.
        FIRST_TOKEN_TIMEOUT_MS: 6_000,
        CHUNK_GAP_TIMEOUT_MS: 6_000,
        MODEL_TOTAL_TIMEOUT_MS: 12_000,
        // Short, so that what is measured is the work, and not the reading of long conversations.
        CONTEXT_TOKENS: 600,
      },
    })
    return new Installation(world, link, second)
  }

  unplug(): void {
    this.#cable.unplug()
  }

  plug(): void {
    this.#cable.plug()
  }

  /** All that were made, also those that came to nobody. */
  async calls(): Promise<{ main: number; second: number; refused: number }> {
    const count = async (calls: Promise<{ id: number }[]>): Promise<number> => (await calls).at(-1)?.id ?? 0
    return {
      main: await count(this.world.model.calls()),
      second: await count(this.#second.client.calls()),
      refused: this.#cable.refused,
    }
  }

  /** Of the runtime that holds the objects, in bytes; the proxy that `wrangler dev` puts in front of it is no part of Parley. */
  async memory(): Promise<number> {
    return await residentBytes(await this.#runtime())
  }

  /** The heap of Parley's isolate after a collection, in bytes; undefined when it could not be looked at. */
  async heap(): Promise<number | undefined> {
    return await heapBytes(await this.#runtime())
  }

  #runtime(): Promise<number> {
    return userOf(this.world.persistDir, this.world.group)
  }

  /** What the log says of breakers, oldest first. */
  breakers(): BreakerLine[] {
    const lines = this.world.logs.split('\n').flatMap((line) => {
      const json = /\{"level":.*"event":"breaker_.*\}/.exec(line)?.[0]
      const { data } = breakerLine.safeParse(JSON.parse(json ?? 'null'))
      return data ? [{ ...data, at: Date.parse(data.time) }] : []
    })
    // Some lines come on two ways.
    return [...new Map(lines.map((line) => [`${line.event} ${line.provider} ${line.at}`, line])).values()]
  }

  /** Somebody registers, and is made an admin by the command: while nobody else writes to the database. */
  async makeAdmin(): Promise<void> {
    const { persistDir } = this.world
    await this.#post('/api/auth/register', ADMIN)
    const args = ['src/make-admin.mjs', 'grant', ADMIN.email, '--persist-to', persistDir]
    const env = { ...process.env, ...quietEnv(persistDir) }
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
  }

  /** That admin, for the next quarter of an hour. */
  async admin(): Promise<TestUser> {
    const { email, password } = ADMIN
    const response = await this.#post('/api/auth/login', { email, password })
    const { accessToken, user } = guestAnswer.parse(await response.json())
    return new TestUser(this.world.url, accessToken, user.id)
  }

  async #post(path: string, body: object): Promise<Response> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(this.world.url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }

  async end(): Promise<void> {
    await this.world.end()
    await this.#cable.close()
    await this.#second.stop()
  }
}

function named({ name, model }: typeof MAIN): { name: string; models: string[] } {
  return { name, models: [model] }
}
