/**
 * What is left, and what happens when nothing is: on the page of a guest whose plan is small. And taking one's data away,
 * which ends with a receipt. Screenshots are left in test-results/.
 */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { exported } from '../../src/protocol/privacy.ts'
import { screenshot } from '../support/browser.ts'
import { ChatPage } from '../support/chat-page.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite({ vars: { PLANS: JSON.stringify({ guest: { messagesPerDay: 3 } }) } })

test('L4 L6: the dialog shows what is left, and a message beyond it is kept and says when there is room', async () => {
  const chat = await suite.open()
  await chat.begin('One')
  await chat.ends('completed')
  await chat.choose('Usage')
  const dialog = chat.dialog('Usage')
  await dialog.getByText('2 of 3 left').waitFor()
  await screenshot(chat.page, 'usage')
  await chat.page.setViewportSize({ width: 360, height: 740 })
  await chat.page.emulateMedia({ colorScheme: 'dark' })
  await screenshot(chat.page, 'usage-360-dark')
  await chat.page.setViewportSize({ width: 1280, height: 800 })
  await chat.page.emulateMedia({ colorScheme: 'light' })
  await chat.page.keyboard.press('Escape')
  for (const text of ['Two', 'Three']) {
    await chat.send(text)
    await chat.reads(`You said: ${text}`)
    await chat.ends('completed')
  }
  await chat.send('Four, which I want to keep')
  const refused = chat.page.locator('[data-pending=failed]')
  await refused.getByText(/You have used your 3 messages for today\. You can go on (on|at|in) /).waitFor()
  await refused.getByText('Four, which I want to keep').waitFor()
  expect(await refused.getByRole('button', { name: 'Send again' }).isDisabled()).toBe(true)
  await screenshot(chat.page, 'quota-exceeded')
  await chat.page.reload()
  await refused.getByText(/You have used your 3 messages for today/).waitFor()
  await refused.getByRole('button', { name: 'Usage' }).click()
  await chat.dialog('Usage').getByText('0 of 3 left').waitFor()
})

test('everything of mine comes as one file', async () => {
  const chat = await suite.open()
  await chat.begin('Put me into the file')
  await chat.ends('completed')
  await chat.choose('Export my data')
  const dialog = chat.dialog('Export my data')
  await screenshot(chat.page, 'export')
  const [download] = await Promise.all([
    chat.page.waitForEvent('download'),
    dialog.getByRole('button', { name: 'Download' }).click(),
  ])
  expect(download.suggestedFilename()).toMatch(/^parley-\d{4}-\d\d-\d\d\.json$/)
  const file = exported.parse(JSON.parse(await readFile(await download.path(), 'utf8')))
  expect(file.complete).toBe(true)
  expect(file.conversations.map(({ title }) => title)).toEqual(['Put me into the file'])
  await dialog.waitFor({ state: 'detached' })
})

test('deleting my data asks, says what goes, and shows the receipt; then nobody is signed in', async () => {
  const who = { email: 'gone@example.com', password: 'correct horse battery', name: 'Grace' }
  const chat = await suite.open()
  await chat.register(who)
  await chat.begin('Soon gone')
  await chat.ends('completed')
  await chat.choose('Delete my data')
  const dialog = chat.dialog('Delete my data')
  await dialog.getByLabel('Your password').fill('wrong horse battery')
  await dialog.getByLabel('I know that this cannot be undone').check()
  await screenshot(chat.page, 'erase')
  await dialog.getByRole('button', { name: 'Delete everything' }).click()
  await dialog.getByText('This is not your password.').waitFor()
  await dialog.getByLabel('Your password').fill(who.password)
  await dialog.getByRole('button', { name: 'Delete everything' }).click()
  const receipt = chat.dialog('Your data is deleted')
  await receipt.waitFor()
  expect(await receipt.getByRole('row', { name: /^Conversations 1$/ }).count()).toBe(1)
  await screenshot(chat.page, 'erased')
  await receipt.getByRole('button', { name: 'Done' }).click()
  await chat.page.getByRole('heading', { name: 'Your data is being deleted' }).waitFor()
  expect(await chat.page.getByText('Soon gone').count()).toBe(0)

  const elsewhere = await suite.newPerson()
  const second = new ChatPage(await elsewhere.open())
  await second.choose('Sign in')
  await second.fillSignIn(who)
  await second.dialog('Sign in').getByText('The email or the password is wrong.').waitFor()
  await elsewhere.leave()
})

test('a guest can delete their data without a password; a new guest finds nothing of it', async () => {
  const chat = await suite.open()
  await chat.begin('Of nobody in particular')
  await chat.ends('completed')
  const name = await chat.account.innerText()
  await chat.choose('Delete my data')
  const dialog = chat.dialog('Delete my data')
  expect(await dialog.getByLabel('Your password').count()).toBe(0)
  const asked: string[] = []
  chat.page.on('request', (request) => asked.push(request.method()))
  await dialog.getByRole('button', { name: 'Delete everything' }).click()
  expect(await dialog.locator('input:invalid').count()).toBe(1)
  expect(asked).not.toContain('DELETE')
  await dialog.getByLabel('I know that this cannot be undone').check()
  await dialog.getByRole('button', { name: 'Delete everything' }).click()
  const receipt = chat.dialog('Your data is deleted')
  await receipt.getByRole('row', { name: /^Conversations 1$/ }).waitFor()
  await screenshot(chat.page, 'erased-guest')
  await receipt.getByRole('button', { name: 'Done' }).click()
  await chat.page.getByRole('heading', { name: 'Your data is being deleted' }).waitFor()
  // There is nobody to sign in as.
  expect(await chat.page.getByRole('main').getByRole('button', { name: 'Sign in' }).count()).toBe(0)
  await chat.page.getByRole('button', { name: 'Continue as guest' }).click()
  await chat.page.getByText('Your conversations will be listed here.').waitFor()
  expect(await chat.account.innerText()).not.toBe(name)
})
