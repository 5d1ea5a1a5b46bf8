/**
 * One installation for a whole-process test: Parley, the model server and a persistence folder, each of them real. It
 * can be killed and started again; what it is asked is the tests' business.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ModelServerClient } from './model-server-client.ts'
import { spawnModelServer, type ModelServerProcess } from './model-server-process.ts'
import { ROOMY_VARS } from './roomy-limits.ts'
import { openTurns, readStored, type StoredConversation } from './stored-conversation.ts'
import { TestUser } from './test-user.ts'
import { freePort, quietEnv, ROOT, spawnParley, type ParleyProcess } from './wrangler-dev.ts'

/** How often the disk and the list are looked at. */
const LOOK_MS = 25

type Vars = Readonly<Record<string, string | number>>

export interface WorldOptions {
  /** Over those that point Parley to the model server, or made of its address. */
  readonly vars?: Vars | ((modelUrl: string) => Vars)
  /** One of its own when left out; it ends with the world in either case. */
  readonly modelServer?: ModelServerProcess
}

export class World {
  readonly persistDir: string
  readonly port: number
  readonly #vars: Readonly<Record<string, string | number>>
  readonly #modelServer: ModelServerProcess
  #parley: ParleyProcess | null = null

  private constructor(
    persistDir: string,
    port: number,
    modelServer: ModelServerProcess,
    vars: NonNullable<WorldOptions['vars']>,
  ) {
    this.persistDir = persistDir
    this.port = port
    this.#modelServer = modelServer
    this.#vars = {
      ...ROOMY_VARS,
      OPENAI_BASE_URL: modelServer.client.baseUrl,
      OPENAI_MODEL: 'test-model',
      ...(typeof vars === 'function' ? vars(modelServer.client.baseUrl) : vars),
    }
  }

  static async start({ vars = {}, modelServer }: WorldOptions = {}): Promise<World> {
    const persistDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'))
    const world = new World(persistDir, await freePort(), modelServer ?? (await spawnModelServer()), vars)
    try {
      await world.startParley()
    } catch (error) {
      await world.end()
      throw error
    }
    return world
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get model(): ModelServerClient {
    return this.#modelServer.client
  }

  /** What the running process printed. */
  get logs(): string {
    return this.#parley?.logs ?? ''
  }

  /** The group of its processes. @throws Error when it does not run */
  get group(): number {
    if (!this.#parley) throw new Error('it does not run')
    return this.#parley.group
  }

  /** A new person. */
  async user(): Promise<TestUser> {
    return await TestUser.guest(this.url)
  }

  /** Makes whoever registered with this email an admin, with the command. Their next session is one. */
  async makeAdmin(email: string): Promise<void> {
    const args = ['src/make-admin.mjs', 'grant', email, '--persist-to', this.persistDir]
    const env = { ...process.env, ...quietEnv(this.persistDir) }
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
  }

  /** Starts Parley on the same folder and port; resolves when it takes requests. Does nothing while it runs. */
  async startParley(): Promise<void> {
    if (!this.#parley) await this.launchParley().ready()
  }

  /** The same without waiting for it. */
  launchParley(): ParleyProcess {
    this.#parley = spawnParley({ persistDir: this.persistDir, port: this.port, vars: this.#vars })
    return this.#parley
  }

  /** `kill -9` of all of its processes. */
  async kill(): Promise<void> {
    const parley = this.#parley
    this.#parley = null
    await parley?.kill9()
  }

  /** As Ctrl-C does it. */
  async stop(): Promise<void> {
    const parley = this.#parley
    this.#parley = null
    await parley?.stop()
  }

  /** @throws Error when there is none */
  stored(conversationId: string): StoredConversation {
    const stored = readStored(this.persistDir, conversationId)
    if (!stored) throw new Error(`conversation ${conversationId} is not stored`)
    return stored
  }

  /**
   * Resolves when no turn of the conversation is open and D1 knows its newest state. It looks at the disk and at the list,
   * again and again: neither can be waited for, and any question to the conversation itself would wake it.
   */
  async untilSettled(owner: TestUser, conversationId: string): Promise<StoredConversation> {
    for (;;) {
      const stored = this.stored(conversationId)
      const listed = (await owner.conversations()).find(({ id }) => id === conversationId)
      const isTold = stored.lastActivityAt === null || stored.lastActivityAt === listed?.lastActivityAt
      if (openTurns(stored).length === 0 && isTold) return stored
      await pause(LOOK_MS)
    }
  }

  async end(): Promise<void> {
    await this.stop()
    await this.#modelServer.stop()
    await rm(this.persistDir, { recursive: true, force: true })
  }
}
