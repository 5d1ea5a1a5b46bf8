/**
 * What each test file of the page stands on: one installation and one browser for the file, a new person for each test,
 * and a check after each that the page had nothing to complain about.
 */
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { launchBrowser, Person, screenshot } from './browser.ts'
import { ChatPage } from './chat-page.ts'
import { expectedText } from './model-text.ts'
import { World, type WorldOptions } from './parley-world.ts'

export interface HeldAnswer {
  /** What to send. */
  readonly message: string
  /** What is shown while the model is held, and at the end. */
  readonly half: string
  readonly whole: string
  /** Lets the model go on. */
  readonly release: () => Promise<void>
}

export class PageSuite {
  #world: World | undefined
  #browser: Browser | undefined
  #person: Person | undefined
  #gates = 0

  constructor(options: WorldOptions = {}) {
    beforeAll(async () => {
      this.#world = await World.start(options)
      this.#browser = await launchBrowser()
    })
    afterAll(async () => {
      await this.#browser?.close()
      await this.#world?.end()
    })
    beforeEach(async () => {
      this.#person = await this.newPerson()
    })
    afterEach(async ({ task }) => {
      if (task.result?.state === 'fail') await this.#showPages(task.name)
      await this.#person?.leave()
      expect(this.#person?.complaints).toEqual([])
    })
  }

  get world(): World {
    return running(this.#world)
  }

  get browser(): Browser {
    return running(this.#browser)
  }

  /** Whose complaints are checked after the test. */
  get person(): Person {
    return running(this.#person)
  }

  /** What was on the screen when a test failed: the only witness of what does not happen again. */
  async #showPages(name: string): Promise<void> {
    for (const [index, page] of (this.#person?.context.pages() ?? []).entries()) {
      await screenshot(page, `failed ${name.slice(0, 60)} ${index}`.replaceAll(/[^\w-]+/g, '-'))
      console.error(`page ${index} of "${name}" shows:\n${await page.locator('body').innerText()}`)
    }
  }

  /** Somebody else. */
  async newPerson(): Promise<Person> {
    return await Person.arrive(this.browser, this.world.url)
  }

  /** A new tab. */
  async open(path?: string): Promise<ChatPage> {
    return new ChatPage(await this.person.open(path))
  }

  /** A new tab of somebody else. */
  async openAs(person: Person): Promise<ChatPage> {
    return new ChatPage(await person.open())
  }

  /** Another tab with the same address. */
  async openBeside(chat: ChatPage): Promise<ChatPage> {
    return await this.open(new URL(chat.page.url()).pathname)
  }

  /** A message whose answer stops after `after` tokens until it is released. */
  heldAnswer({ tokens = 60, after = 30 } = {}): HeldAnswer {
    const gate = `page-${++this.#gates}`
    const message = `Tell me ${gate} [[tokens=${tokens} seed=${this.#gates} gate=${gate} after=${after}]]`
    return {
      message,
      half: expectedText(message, after),
      whole: expectedText(message),
      release: () => this.world.model.openGate(gate),
    }
  }

  /** The same with a text of its own. */
  heldText(text: string, { after }: { readonly after: number }): HeldAnswer {
    const gate = `page-${++this.#gates}`
    const message = `Tell me ${gate} [[text=${JSON.stringify(text)} gate=${gate} after=${after}]]`
    const half = expectedText(message, after)
    return { message, half, whole: text, release: () => this.world.model.openGate(gate) }
  }
}

function running<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('only inside of a test')
  return part
}

/** Of a link that the page made: what follows the server's address, with the token in its fragment. */
export function pathIn(link: string): string {
  const { pathname, hash } = new URL(link)
  return pathname + hash
}
