/**
 * What the page does with the tokens of an account, in a real Chromium against a real server: access tokens that have grown
 * old or are refused are replaced without a word, and nobody is signed out by it. And what stands in a token, or takes its
 * place: the name, and the keys of machines.
 */
import { describe, expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { ChatPage, type Credentials } from '../support/chat-page.ts'
import { PageSuite, pathIn } from '../support/page-suite.ts'

const suite = new PageSuite()
let people = 0
const somebody = (): Credentials => ({
  email: `tess${++people}@example.com`,
  password: 'correct horse battery',
  name: `Tess ${people}`,
})

const MINUTE_MS = 60_000

interface Kept {
  readonly accessToken: string
  readonly refreshToken: string
}

const kept = async (chat: ChatPage): Promise<Kept> =>
  await chat.page.evaluate(() => JSON.parse(localStorage.getItem('parley.session') ?? '{}'))

const refreshed = (chat: ChatPage) =>
  chat.page.waitForResponse((response) => new URL(response.url()).pathname === '/api/auth/refresh')

describe('an access token', () => {
  test('that is near its end, or long past it, is renewed by the next call, for every tab', async () => {
    const chat = await suite.open()
    await chat.page.clock.install()
    await chat.register(somebody())
    await chat.begin('A long day')
    await chat.ends('completed')
    const beside = await suite.openBeside(chat)
    await beside.reads('You said: A long day')
    const tokens = [await kept(chat)]
    // The last part of its fifteen minutes; then a night with the lid closed.
    for (const ms of [13 * MINUTE_MS, 8 * 60 * MINUTE_MS]) {
      await chat.page.clock.fastForward(ms)
      const [answer] = await Promise.all([refreshed(chat), chat.choose('Devices')])
      expect(answer.status()).toBe(200)
      await chat.dialog('Where you are signed in').locator('.badge').waitFor()
      await chat.page.keyboard.press('Escape')
      tokens.push(await kept(beside))
    }
    expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(3)
    expect(new Set(tokens.map(({ refreshToken }) => refreshToken)).size).toBe(3)
    await beside.send('Another day')
    await Promise.all([beside.reads('You said: Another day'), chat.reads('You said: Another day')])
  })

  test('that the server refuses is replaced, and what was open stays open', async () => {
    const who = somebody()
    const chat = await suite.open()
    await chat.register(who)
    await chat.begin('Stay with me')
    await chat.ends('completed')
    await chat.page.evaluate(() => {
      const session = JSON.parse(localStorage.getItem('parley.session') ?? '{}')
      const accessToken = `${session.accessToken.slice(0, -8)}AAAAAAAA`
      localStorage.setItem('parley.session', JSON.stringify({ ...session, accessToken }))
    })
    const [answer] = await Promise.all([refreshed(chat), chat.page.reload()])
    expect(answer.status()).toBe(200)
    await chat.reads('You said: Stay with me')
    await chat.page.getByRole('button', { name: `${who.name}, account menu` }).waitFor()
  })
})

test('a new name is on the page, in its other tabs, and beside what is said from then on', async () => {
  const chat = await suite.open()
  await chat.register(somebody())
  await chat.begin('Call me something')
  await chat.ends('completed')
  const link = await chat.invite('viewer')
  const friend = await suite.newPerson()
  const reader = new ChatPage(await friend.open(pathIn(link)))
  await reader.page.getByRole('button', { name: 'Continue as guest' }).click()
  await reader.reads('You said: Call me something')

  await chat.choose('Change name')
  const dialog = chat.dialog('Change your name')
  await dialog.getByLabel('Name').fill('   ')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.locator('.field-error').waitFor()
  await dialog.getByLabel('Name').fill('Tess of the Harbour')
  await screenshot(chat.page, 'change-name')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await chat.page.getByRole('button', { name: 'Tess of the Harbour, account menu' }).waitFor()
  await chat.link('open')
  await chat.send('Like this')
  await reader.reads('You said: Like this')
  expect(await reader.questions.last().locator('.author').innerText()).toBe('Tess of the Harbour')
  await friend.leave()
  expect(friend.complaints).toEqual([])
})

test('a key is shown once, serves a program, and serves no more when it is revoked', async () => {
  const chat = await suite.open()
  await chat.register(somebody())
  await chat.choose('API keys')
  const dialog = chat.dialog('API keys')
  await dialog.getByText('You have no keys.').waitFor()
  await dialog.getByLabel('Name').fill('Nightly report')
  await dialog.getByLabel('It can').selectOption('read')
  await dialog.getByRole('button', { name: 'Make a key' }).click()
  const key = await dialog.getByLabel('The key', { exact: true }).inputValue()
  await dialog.getByText('Only read · until').waitFor()
  await screenshot(chat.page, 'api-keys')
  const ask = async (method: 'GET' | 'POST') => {
    const headers = { authorization: `Bearer ${key}` }
    return (await fetch(`${suite.world.url}/api/conversations`, { method, headers })).status
  }
  expect(await ask('GET')).toBe(200)
  expect(await ask('POST')).toBe(403)

  await chat.page.keyboard.press('Escape')
  await chat.choose('API keys')
  await dialog.getByText('Nightly report').waitFor()
  expect(await dialog.getByLabel('The key', { exact: true }).count()).toBe(0)
  await dialog.getByRole('button', { name: 'Revoke Nightly report' }).click()
  await dialog.getByText('You have no keys.').waitFor()
})
