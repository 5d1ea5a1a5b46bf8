/**
 * The page as a person uses it: write, read, stop, rename, delete. Each waits for what it names to be there, by role and
 * label where there is one, so that a test also proves that those who cannot see the page can use it.
 */
import type { Locator, Page } from 'playwright-core'

export class ChatPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  get field(): Locator {
    return this.page.getByLabel('Your message')
  }

  get questions(): Locator {
    return this.page.locator('.question')
  }

  get answers(): Locator {
    return this.page.locator('.answer')
  }

  get list(): Locator {
    return this.page.getByRole('navigation', { name: 'Conversations' })
  }

  get banner(): Locator {
    return this.page.locator('.banner')
  }

  get conversationId(): string {
    return new URL(this.page.url()).pathname.replace('/c/', '')
  }

  async send(text: string): Promise<void> {
    await this.field.fill(text)
    await this.field.press('Enter')
  }

  /** Sends the first message of a new conversation; resolves when its address is there. */
  async begin(text: string): Promise<void> {
    await this.send(text)
    await this.page.waitForURL(/\/c\/[0-9a-f-]{36}$/)
  }

  /** Resolves when the newest answer shows exactly this. */
  async reads(text: string): Promise<void> {
    await this.page.waitForFunction(
      (expected) =>
        document.querySelector('.answer:last-of-type .markdown')?.textContent?.trim() === expected,
      text.trim(),
    )
  }

  /** Resolves when the newest answer ended like this. */
  async ends(status: 'completed' | 'stopped' | 'failed' | 'interrupted'): Promise<void> {
    await this.page.locator(`.messages > .answer.${status}:last-child`).waitFor()
  }

  async link(state: 'open' | 'offline' | 'reconnecting'): Promise<void> {
    if (state === 'open') await this.banner.waitFor({ state: 'detached' })
    else await this.page.locator(`.banner.${state}`).waitFor()
  }
}
