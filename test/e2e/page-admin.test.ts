/**
 * The administration in a real Chromium: the first admin is made by the command, finds people, changes and suspends them,
 * sees usage and the trail; whoever is no admin gets nothing. Screenshots are left in test-results/.
 */
import { expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { ChatPage } from '../support/chat-page.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite()
const ADMIN = { email: 'root@example.com', password: 'correct horse battery', name: 'Root' }
const EVE = { email: 'eve@example.com', password: 'correct horse battery', name: 'Eve' }

test('an admin finds somebody, gives them a plan, suspends them at once, and reads who did what', async () => {
  const eve = await suite.newPerson()
  const hers = new ChatPage(await eve.open())
  await hers.register(EVE)
  await hers.begin('I am here')
  await hers.ends('completed')
  await hers.page.goto('/admin')
  await hers.page.getByRole('heading', { name: 'This is for administrators' }).waitFor()
  await hers.page.goBack()
  await hers.reads('You said: I am here')

  const chat = await suite.open()
  await chat.register(ADMIN)
  await suite.world.makeAdmin(ADMIN.email)
  await chat.signInAnew(ADMIN)
  await chat.choose('Administration')
  await chat.page.waitForURL(/\/admin$/)

  await chat.page.getByLabel('Find people').fill('eve@')
  await chat.page.getByRole('button', { name: 'Search' }).click()
  const row = chat.page.getByRole('row', { name: /eve@example\.com/ })
  await row.waitFor()
  await chat.page.getByRole('row', { name: /root@example\.com/ }).waitFor({ state: 'detached' })
  const changed = chat.page.waitForResponse((response) => response.request().method() === 'PATCH')
  await row.getByLabel('Plan of Eve').selectOption('pro')
  expect((await changed).status()).toBe(200)
  await screenshot(chat.page, 'admin-people')
  await row.getByRole('button', { name: 'Suspend Eve' }).click()
  const dialog = chat.dialog('Suspend Eve?')
  await dialog.getByLabel('Reason').fill('Spam')
  await dialog.getByRole('button', { name: 'Suspend' }).click()
  await row.getByText('Suspended: Spam').waitFor()
  expect(await row.getByLabel('Plan of Eve').inputValue()).toBe('pro')
  await hers.page.getByRole('heading', { name: 'This account is suspended' }).waitFor()
  await screenshot(hers.page, 'suspended')
  await row.getByRole('button', { name: 'Unsuspend Eve' }).click()
  await row.getByText('Suspended: Spam').waitFor({ state: 'detached' })

  await chat.page.getByRole('button', { name: 'Usage', exact: true }).click()
  await chat.page.getByLabel('By', { exact: true }).selectOption('model')
  await chat.page.getByRole('row', { name: /test-model/ }).waitFor()
  await screenshot(chat.page, 'admin-usage')

  await chat.page.getByRole('button', { name: 'Audit' }).click()
  await chat.page.getByLabel('What', { exact: true }).selectOption('user_suspended')
  await chat.page.getByRole('button', { name: 'Filter' }).click()
  await chat.page.getByRole('row', { name: /user suspended/ }).waitFor()
  await chat.page
    .getByRole('row', { name: /sign in/ })
    .first()
    .waitFor({ state: 'detached' })
  expect(await chat.page.getByRole('row').count()).toBe(2)
  await chat.page.getByRole('button', { name: 'Clear' }).click()
  await chat.page
    .getByRole('row', { name: /register/ })
    .first()
    .waitFor()
  await screenshot(chat.page, 'admin-audit')

  await chat.page.setViewportSize({ width: 360, height: 740 })
  await chat.page.emulateMedia({ colorScheme: 'dark' })
  await screenshot(chat.page, 'admin-audit-360-dark')
  await chat.page.emulateMedia({ colorScheme: 'light' })
  await chat.page.getByRole('button', { name: 'People' }).click()
  await chat.page.getByRole('row', { name: /eve@example\.com/ }).waitFor()
  await screenshot(chat.page, 'admin-people-360')
  expect(await chat.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
  await eve.leave()
  expect(eve.complaints).toEqual([])
})
