/**
 * A shared branch in a Chromium that knows nobody: it shows the messages and nothing else, makes nobody a guest, and ends
 * when it is revoked. Screenshots are left in test-results/.
 */
import { expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { ChatPage } from '../support/chat-page.ts'
import { PageSuite, pathIn } from '../support/page-suite.ts'

const suite = new PageSuite()

interface Choices {
  readonly mode?: 'snapshot' | 'live'
  readonly withAccount?: boolean
}

async function share(
  chat: ChatPage,
  { mode = 'snapshot', withAccount = false }: Choices = {},
): Promise<string> {
  await chat.page.getByRole('button', { name: 'Share' }).click()
  const dialog = chat.dialog('Share a link to read')
  await dialog.getByLabel('It shows').selectOption(mode)
  if (withAccount) await dialog.getByLabel('Only for people with an account').check()
  await dialog.getByRole('button', { name: 'Make a link' }).click()
  const link = await dialog.getByLabel('The link', { exact: true }).inputValue()
  await screenshot(chat.page, 'share-dialog')
  await chat.page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  return pathIn(link)
}

test('a snapshot shows the branch as it was, to anybody, without names, and asks for nothing else', async () => {
  const chat = await suite.open()
  await chat.begin('Explain **tides** [[text="The *moon* pulls:\\n\\n- twice a day\\n- less at half moon"]]')
  await chat.ends('completed')
  const path = await share(chat)
  await chat.send('Not for others')
  await chat.reads('You said: Not for others')

  const stranger = await suite.newPerson()
  const asked: string[] = []
  stranger.context.on('request', (request) => asked.push(new URL(request.url()).pathname))
  const page = await stranger.open(path)
  await page.getByRole('heading', { level: 1, name: /^Explain/ }).waitFor()
  await page.getByText(/^Shared from Parley/).waitFor()
  await page.locator('.markdown em', { hasText: 'moon' }).waitFor()
  expect(await page.locator('.markdown li').count()).toBe(2)
  expect(await page.getByText('Not for others').count()).toBe(0)
  expect(await page.getByRole('navigation').count()).toBe(0)
  expect(await page.locator('body').innerText()).not.toMatch(/Guest|guest:/)
  expect(asked.filter((path) => path.startsWith('/api/'))).toEqual([`/api/shares/${path.slice(3)}`])
  expect(await page.evaluate(() => localStorage.length + sessionStorage.length)).toBe(0)
  await screenshot(page, 'shared-light')
  await page.setViewportSize({ width: 360, height: 740 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await screenshot(page, 'shared-360-dark')
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
  await stranger.leave()
  expect(stranger.complaints).toEqual([])
})

test('a live one shows what was said since; a revoked one shows nothing', async () => {
  const chat = await suite.open()
  await chat.begin('To be continued')
  await chat.ends('completed')
  const path = await share(chat, { mode: 'live' })
  await chat.send('The second part')
  await chat.ends('completed')
  await chat.reads('You said: The second part')
  const stranger = await suite.newPerson()
  const page = await stranger.open(path)
  await page.getByText('You said: The second part').waitFor()

  await chat.page.getByRole('button', { name: 'Share' }).click()
  const dialog = chat.dialog('Share a link to read')
  await dialog.getByRole('button', { name: 'Revoke' }).click()
  await dialog.getByRole('button', { name: 'Revoke' }).waitFor({ state: 'detached' })
  await page.reload()
  await page.getByRole('heading', { name: 'There is nothing here any more' }).waitFor()
  expect(await page.getByText('The second part').count()).toBe(0)
  await screenshot(page, 'shared-gone')
  await stranger.leave()
  expect(stranger.complaints).toEqual([])
})

test('one for people with an account asks a stranger, and a guest, to sign in, and then shows itself', async () => {
  const who = { email: 'reader@example.com', password: 'correct horse battery' }
  const chat = await suite.open()
  await chat.register(who)
  await chat.begin('For members of the club')
  await chat.ends('completed')
  const path = await share(chat, { withAccount: true })
  const stranger = await suite.newPerson()
  const start = new ChatPage(await stranger.open())
  await start.account.waitFor()
  const page = new ChatPage(await stranger.open(path))
  await page.page.getByRole('heading', { name: 'Sign in to read this' }).waitFor()
  await screenshot(page.page, 'shared-sign-in')
  await page.page.getByRole('button', { name: 'Sign in' }).click()
  await page.fillSignIn(who)
  await page.page.getByText('You said: For members of the club').waitFor()
  await stranger.leave()
  expect(stranger.complaints).toEqual([])
})
