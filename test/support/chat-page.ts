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

  /** The button with one's name, which opens the menu of the account. */
  get account(): Locator {
    return this.page.getByRole('button', { name: /, account menu$/ })
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

  /** Chooses from the menu of the account. */
  async choose(entry: string): Promise<void> {
    await this.account.click()
    await this.page
      .getByRole('group', { name: 'Account' })
      .getByRole('button', { name: entry, exact: true })
      .click()
  }

  dialog(name: string | RegExp): Locator {
    return this.page.getByRole('dialog', { name })
  }

  /** From the menu to being somebody. */
  async register({ email, password, name }: Credentials): Promise<void> {
    await this.choose('Create an account')
    const dialog = this.dialog('Create an account')
    await dialog.getByLabel('Email').fill(email)
    await dialog.getByLabel('Password', { exact: true }).fill(password)
    if (name !== undefined) await dialog.getByLabel(/^Name/).fill(name)
    await dialog.getByRole('button', { name: 'Create account' }).click()
    await dialog.waitFor({ state: 'detached' })
  }

  async signIn({ email, password }: Credentials): Promise<void> {
    await this.choose('Sign in')
    await this.fillSignIn({ email, password })
    await this.dialog('Sign in').waitFor({ state: 'detached' })
  }

  /** Signs out and in again: who has another role since has it then. */
  async signInAnew(credentials: Credentials): Promise<void> {
    await this.choose('Sign out')
    await this.page.getByRole('main').getByRole('button', { name: 'Sign in' }).click()
    await this.fillSignIn(credentials)
    await this.dialog('Sign in').waitFor({ state: 'detached' })
  }

  /** In the dialog that is open. */
  async fillSignIn({ email, password }: Credentials): Promise<void> {
    const dialog = this.dialog('Sign in')
    await dialog.getByLabel('Email').fill(email)
    await dialog.getByLabel('Password', { exact: true }).fill(password)
    await dialog.getByRole('button', { name: 'Sign in' }).click()
  }

  /** Makes an invite link for one person in the dialog of members, and closes it. */
  async invite(role: 'editor' | 'viewer'): Promise<string> {
    await this.page.getByRole('button', { name: 'Members' }).click()
    const dialog = this.dialog('Members')
    await dialog.getByLabel('They').selectOption(role)
    await dialog.getByRole('button', { name: 'Make a link' }).click()
    const link = await dialog.getByLabel('The link', { exact: true }).inputValue()
    await this.page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    return link
  }

  /** Resolves when the element has the focus. */
  async focuses(element: Locator): Promise<void> {
    await element.and(this.page.locator(':focus')).waitFor()
  }

  async hasFocus(element: Locator): Promise<boolean> {
    return await element.evaluate((node) => node === document.activeElement)
  }
}

export interface Credentials {
  readonly email: string
  readonly password: string
  readonly name?: string
}
