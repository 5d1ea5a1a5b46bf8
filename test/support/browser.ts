/**
 * A real Chromium out of the package registry, headless, with what it complained about kept: an error in the console or
 * a breach of the page's security policy fails the test that asks for `complaints`.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import chromiumPackage from '@sparticuz/chromium'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core'

export const SCREENSHOTS = join(import.meta.dirname, '../../test-results')

/** No sandbox of its own: tests run in containers and as root, and the only pages that it opens are ours. */
const ARGS = ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none']

export async function launchBrowser(): Promise<Browser> {
  await mkdir(SCREENSHOTS, { recursive: true })
  return await chromium.launch({ executablePath: await chromiumPackage.executablePath(), args: ARGS })
}

/** One person's browser: its tabs share storage, and nothing with the next one. */
export class Person {
  readonly context: BrowserContext
  /** Errors of the console, of scripts, and of the security policy; and requests to anywhere but the server. */
  readonly complaints: string[] = []

  private constructor(context: BrowserContext, origin: string) {
    this.context = context
    context.on('console', (message) => {
      // A request that fails is told to the person by the page; the browser's own line about it is no news.
      const isNetwork = ['Failed to load resource', 'WebSocket connection'].some((start) =>
        message.text().startsWith(start),
      )
      if (message.type() === 'error' && !isNetwork) this.complaints.push(message.text())
    })
    context.on('weberror', (error) => this.complaints.push(String(error.error())))
    context.on('dialog', (dialog) => {
      this.complaints.push(`a dialog opened: ${dialog.message()}`)
      void dialog.dismiss()
    })
    context.on('request', (request) => {
      const { protocol, origin: target } = new URL(request.url())
      if (target !== origin && !['data:', 'blob:', 'about:'].includes(protocol))
        this.complaints.push(`asked for ${request.url()}`)
    })
  }

  static async arrive(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({
      baseURL: url,
      viewport: { width: 1280, height: 800 },
      ...options,
    })
    context.setDefaultTimeout(20_000)
    return new Person(context, new URL(url).origin)
  }

  /** A new tab. */
  async open(path = '/'): Promise<Page> {
    const page = await this.context.newPage()
    await page.goto(path)
    return page
  }

  async leave(): Promise<void> {
    await this.context.close()
  }
}

export async function screenshot(page: Page, name: string): Promise<void> {
  // As it looks when everything has come to rest.
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: 'disabled' })
}
