/**
 * The page on a bad day, in a real Chromium: the first provider is down and another one answers, an answer breaks off and
 * goes on, an admin pauses everything, sees how the models are, and handles the incident. Screenshots are left in
 * test-results/.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import type { ChatPage } from '../support/chat-page.ts'
import { PageSuite } from '../support/page-suite.ts'

const ADMIN = { email: 'root@example.com', password: 'correct horse battery', name: 'Root' }
const TEXT = Array.from({ length: 60 }, (_, index) => `word${index}`).join(' ') + '.'

/** A switch holds everywhere within this time, which is what is promised; nothing tells when it does. */
const SWITCHED_MS = 1_000

const suite = new PageSuite({
  vars: (baseUrl) => ({
    MODEL_CONTINUE: 'on',
    MODEL_PROVIDERS: JSON.stringify([
      {
        name: 'main',
        kind: 'openai',
        baseUrl: baseUrl.replace('/v1', '/status/503/v1'),
        models: ['big-model'],
        limits: { concurrent: 2 },
      },
      {
        name: 'backup',
        kind: 'openai',
        baseUrl,
        models: ['test-model'],
        continuation: 'prefill',
        limits: { concurrent: 2 },
      },
    ]),
    // The first one is left alone from its first failures on, and for as long as this takes: who waits, waits for the other.
    BREAKER: JSON.stringify({ failuresInRow: 2, openMs: 120_000, maxOpenMs: 120_000 }),
    INCIDENT_RULES: JSON.stringify({
      rules: { error_rate: { minCalls: 1, forSeconds: 0 }, breaker_open: { open: 1, close: 0.5 } },
    }),
  }),
})

test('whose answer it is stands beside it, and one that broke off goes on where it broke off (T5)', async () => {
  const chat = await suite.open()
  await chat.begin('Hello')
  await chat.ends('completed')
  await chat.answers.getByText(/^Answered by backup, because main /).waitFor()

  // Of a kind that is not tried again by itself.
  const fault = 'error-in-stream code=invalid_request_error after=30 times=1'
  await chat.send(`Tell me [[text=${JSON.stringify(TEXT)} size=4 resume=exact ${fault}]]`)
  await chat.ends('failed')
  await looks(chat.page, 'broken-off')
  await chat.answers.last().getByRole('button', { name: 'Continue' }).click()
  await chat.ends('completed')
  await chat.reads(TEXT)
  expect(await chat.questions.count()).toBe(2)
  expect(await chat.page.getByRole('button', { name: 'Continue' }).count()).toBe(0)
  await looks(chat.page, 'degraded')
})

test('who waits for the model is told so, with a place (Q9)', async () => {
  const held = [suite.heldAnswer(), suite.heldAnswer()]
  for (const { message, half } of held) {
    const busy = await suite.open()
    await busy.begin(message)
    await busy.reads(half)
  }
  const chat = await suite.open()
  await chat.begin('And me?')
  await chat.page
    .locator('.thinking')
    .getByText(/^Waiting.*: next in line/)
    .waitFor()
  await looks(chat.page, 'waiting-for-model')
  for (const { release } of held) await release()
  await chat.ends('completed')
  await chat.reads('You said: And me?')
})

test('an admin pauses all turns, who chats is told why, and the incident is handled on the page', async () => {
  const { page } = await admin()
  await page.getByRole('button', { name: 'Operations' }).click()
  const main = page.getByRole('region', { name: 'Provider main' })
  await main.getByRole('row', { name: /big-model/ }).waitFor()
  await page.getByRole('region', { name: 'Queue of main' }).waitFor()

  const other = await suite.newPerson()
  const hers = await suite.openAs(other)
  await hers.begin('Before')
  await hers.ends('completed')

  await page.getByRole('button', { name: 'Pause all turns…' }).click()
  const dialog = page.getByRole('dialog', { name: 'Pause all turns?' })
  await dialog.getByLabel('Reason').fill('We change the keys')
  await screenshot(page, 'operations-pause')
  await dialog.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('All turns are paused').waitFor()
  await looks(page, 'operations-paused')

  await pause(SWITCHED_MS)
  await hers.send('During')
  await hers.page.getByText(/We change the keys\. Try again when that is over\./).waitFor()
  await looks(hers.page, 'paused')

  await page.getByRole('button', { name: 'Resume all turns' }).click()
  await page.getByText('Answers are being written').waitFor()
  await pause(SWITCHED_MS)
  await hers.page.getByRole('button', { name: 'Send again' }).click()
  await hers.ends('completed')
  await hers.reads('You said: During')
  await other.leave()
  expect(other.complaints).toEqual([])

  await main.getByRole('button', { name: 'Pause main' }).click()
  const second = page.getByRole('dialog', { name: 'Pause main?' })
  await second.getByLabel('Reason').fill('It is down')
  await second.getByRole('button', { name: 'Pause' }).click()
  await main.getByText(/^Paused since .*: It is down$/).waitFor()
  await looks(page, 'operations')
  await main.getByRole('button', { name: 'Resume main' }).click()
  await main.getByRole('button', { name: 'Pause main' }).waitFor()

  await page.getByRole('button', { name: 'Incidents' }).click()
  const row = page.getByRole('row', { name: /main.*Open/ }).first()
  await row.waitFor()
  await looks(page, 'incidents')
  await row.getByRole('button').click()
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByRole('button', { name: 'Acknowledge' }).waitFor({ state: 'detached' })
  await page.getByLabel('Note').fill('The keys are old')
  await page.getByRole('button', { name: 'Add note' }).click()
  const timeline = page.getByRole('list', { name: 'Timeline' })
  await timeline.getByText('The keys are old').waitFor()
  await looks(page, 'incident')

  const downloading = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download post-mortem' }).click()
  const draft = await readFile(await (await downloading).path(), 'utf8')
  expect(draft).toContain('The keys are old')

  await page.getByRole('button', { name: 'Resolve…' }).click()
  const resolving = page.getByRole('dialog', { name: 'Resolve this incident?' })
  await resolving.getByLabel('What was it?').fill('New keys')
  await resolving.getByRole('button', { name: 'Resolve' }).click()
  await timeline.getByText('New keys').waitFor()
  await page.getByRole('button', { name: 'All incidents' }).click()
  await page.getByRole('row', { name: /main.*Over/ }).waitFor()
})

async function admin(): Promise<ChatPage> {
  const chat = await suite.open()
  await chat.register(ADMIN)
  await suite.world.makeAdmin(ADMIN.email)
  await chat.signInAnew(ADMIN)
  await chat.choose('Administration')
  return chat
}

/** Screenshots of what is open, wide and narrow, light and dark; nothing may stick out of a narrow one. */
async function looks(page: Page, name: string): Promise<void> {
  const wide = page.viewportSize()
  if (!wide) throw new Error('a page has a size')
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await screenshot(page, `${name}-${colorScheme}`)
    await page.setViewportSize({ width: 360, height: 740 })
    await screenshot(page, `${name}-360-${colorScheme}`)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
    await page.setViewportSize(wide)
  }
  await page.emulateMedia({ colorScheme: 'light' })
}
