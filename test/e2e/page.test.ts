/**
 * The page in a real Chromium against a real `wrangler dev`: talking, in several tabs, and the list of conversations.
 * Screenshots are left in test-results/.
 */
import { describe, expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { expectedText } from '../support/model-text.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite()

describe('talking', () => {
  test('a first visit says what this is, and an example starts a conversation with an address of its own', async () => {
    const chat = await suite.open()
    await chat.page.getByRole('heading', { name: 'What shall we talk about?' }).waitFor()
    await chat.page.getByText('Your conversations will be listed here.').waitFor()
    await screenshot(chat.page, 'welcome-light')
    await chat.page.emulateMedia({ colorScheme: 'dark' })
    await screenshot(chat.page, 'welcome-dark')
    await chat.page.getByRole('button', { name: 'Plan a trip' }).click()
    await chat.page.waitForURL(/\/c\//)
    await chat.ends('completed')
    expect(await chat.answers.innerText()).toContain('You said: Plan a weekend in Lisbon')
    expect(await chat.page.title()).toMatch(/^Plan a weekend in Lisbon.* · Parley$/)
    await chat.list.getByRole('link', { name: /Plan a weekend in Lisbon/ }).waitFor()
    expect(await chat.list.locator('[aria-current=page]').innerText()).toContain('Lisbon')
  })

  test('promise 6: an answer streams into every tab that has the conversation open, with the same text', async () => {
    const { message, half, whole, release } = suite.heldAnswer()
    const one = await suite.open()
    await one.begin(message)
    await one.reads(half)
    const two = await suite.openBeside(one)
    await two.reads(half)
    await one.page.getByLabel('Here now: ', { exact: false }).waitFor()
    await one.page.getByLabel(/in 2 windows/).waitFor()
    await screenshot(two.page, 'second-tab-streaming')
    await release()
    await Promise.all([one.ends('completed'), two.ends('completed')])
    await Promise.all([one.reads(whole), two.reads(whole)])
  })

  test('promise 3: a reload in the middle of an answer loses and repeats nothing', async () => {
    const { message, half, whole, release } = suite.heldAnswer()
    const chat = await suite.open()
    await chat.begin(message)
    await chat.reads(half)
    await chat.page.reload()
    await chat.reads(half)
    await release()
    await chat.reads(whole)
    await chat.ends('completed')
    expect(await chat.questions.count()).toBe(1)
  })

  test('promise 4: stop ends the answer and keeps its text; so does Escape', async () => {
    for (const how of ['button', 'key'] as const) {
      const { message, half } = suite.heldAnswer()
      const chat = await suite.open()
      await chat.begin(message)
      await chat.reads(half)
      if (how === 'button') await chat.page.getByRole('button', { name: 'Stop the answer' }).click()
      else await chat.field.press('Escape')
      await chat.ends('stopped')
      await chat.reads(half)
      await chat.answers.getByText('Stopped.').waitFor()
      await chat.page.getByRole('button', { name: 'Stop the answer' }).waitFor({ state: 'detached' })
    }
  })

  test('O7: a message that waits says its place, and can be taken back', async () => {
    const { message, half, whole, release } = suite.heldAnswer()
    const chat = await suite.open()
    await chat.begin(message)
    await chat.reads(half)
    await chat.send('second')
    // What is read to screen readers stands beside it.
    const waiting = chat.page.locator('.thinking')
    await waiting.getByText('Waiting: next in line').waitFor()
    await chat.send('third')
    await waiting.getByText('Waiting: number 2 in line').waitFor()
    await screenshot(chat.page, 'waiting')
    await chat.page.getByRole('button', { name: 'Cancel' }).first().click()
    await waiting.getByText('Waiting: number 2 in line').waitFor({ state: 'detached' })
    await release()
    await chat.ends('completed')
    const texts = await chat.answers.locator('.markdown').allInnerTexts()
    expect(texts).toEqual([whole.trim(), 'You said: third'])
    expect(await chat.answers.nth(1).innerText()).toContain('Stopped.')
  })

  test('T3: a failed answer says why, and trying again asks once more', async () => {
    const chat = await suite.open()
    await chat.begin('Fail first [[status=400 times=1]]')
    await chat.ends('failed')
    await screenshot(chat.page, 'failed')
    const interrupted = 'Break off [[tokens=20 close after=10 times=1]]'
    await chat.send(interrupted)
    await chat.ends('failed')
    await chat.reads(expectedText(interrupted, 10))
    await chat.page.getByRole('button', { name: 'Try again' }).click()
    await chat.ends('completed')
    await chat.reads(expectedText(interrupted))
    expect(await chat.questions.count()).toBe(3)
    await chat.page.getByRole('button', { name: 'Try again' }).waitFor({ state: 'detached' })
  })

  test('W2: a message of 32,000 characters that no frame can hold is sent, and a longer one is held back', async () => {
    const chat = await suite.open()
    await chat.begin('Hello')
    await chat.ends('completed')
    await chat.field.fill('€'.repeat(32_001))
    await chat.page.getByText('32,001 of 32,000 characters').waitFor()
    expect(await chat.page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true)
    await chat.send('€'.repeat(32_000))
    await chat.page.locator('.messages > .answer.completed').nth(1).waitFor()
    expect(await chat.questions.count()).toBe(2)
    expect((await chat.answers.nth(1).locator('.markdown').innerText()).length).toBe(
      32_000 + 'You said: '.length,
    )
  })
})

describe('the list', () => {
  test('a conversation is renamed in place, in the list and in its title, and other tabs follow', async () => {
    const chat = await suite.open()
    await chat.begin('Name me')
    await chat.ends('completed')
    const other = await suite.openBeside(chat)
    await chat.list.getByRole('button', { name: 'Rename “Name me”' }).click()
    await chat.page.getByLabel('Title of the conversation').fill('  A  better name ')
    await chat.page.getByLabel('Title of the conversation').press('Enter')
    await chat.list.getByRole('link', { name: 'A better name' }).waitFor()
    await other.page.getByRole('heading', { name: 'A better name' }).waitFor()
    await other.list.getByRole('link', { name: 'A better name' }).waitFor()
    expect(await other.page.title()).toBe('A better name · Parley')

    await other.page.getByRole('button', { name: 'A better name' }).first().click()
    await other.page.getByLabel('Title of the conversation').fill('Not this')
    await other.page.getByLabel('Title of the conversation').press('Escape')
    expect(await other.page.getByRole('heading', { level: 1 }).innerText()).toBe('A better name')
  })

  test('deleting asks first; Escape keeps; afterwards every tab knows', async () => {
    const chat = await suite.open()
    await chat.begin('Delete me')
    await chat.ends('completed')
    const other = await suite.openBeside(chat)
    await other.ends('completed')
    const remove = chat.list.getByRole('button', { name: 'Delete “Delete me”' })
    await remove.click()
    const dialog = chat.page.getByRole('dialog', { name: 'Delete this conversation?' })
    await dialog.waitFor()
    await screenshot(chat.page, 'delete-dialog')
    expect(
      await dialog
        .getByRole('button', { name: 'Cancel' })
        .evaluate((button) => button === document.activeElement),
    ).toBe(true)
    await chat.page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await remove.evaluate((button) => button === document.activeElement)).toBe(true)
    await remove.click()
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await chat.page.waitForURL(/\/$/)
    await chat.page.getByText('Your conversations will be listed here.').waitFor()
    await other.page.getByRole('heading', { name: 'This conversation was deleted' }).waitFor()
    await screenshot(other.page, 'deleted-elsewhere')
    const late = await suite.open(`/c/${other.conversationId}`)
    await late.page.getByRole('heading', { name: 'There is no such conversation' }).waitFor()
  })

  test('many conversations come page by page, newest activity first', async () => {
    const chat = await suite.open()
    await chat.begin('The first')
    await chat.ends('completed')
    const titles = Array.from({ length: 45 }, (_, index) => `Number ${index + 1}`)
    await chat.page.evaluate(async (titles) => {
      const { accessToken } = JSON.parse(localStorage.getItem('parley.session') ?? '{}')
      const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
      for (const title of titles) {
        await fetch('/api/conversations', { method: 'POST', headers, body: JSON.stringify({ title }) })
      }
    }, titles)
    await chat.page.reload()
    await chat.list.getByRole('link', { name: 'Number 45' }).waitFor()
    await screenshot(chat.page, 'long-list')
    const end = chat.list.getByRole('link', { name: 'The first' })
    await chat.page.waitForFunction(() => {
      document.querySelector('.sidebar-list')?.scrollTo(0, 1e6)
      return document.querySelectorAll('.list-item').length === 46
    })
    const shown = await chat.list.locator('.list-item').allInnerTexts()
    expect(shown.map((text) => text.trim())).toEqual([...titles.toReversed(), 'The first'])
    await end.click()
    await chat.page.getByRole('heading', { name: 'The first' }).waitFor()
  })
})
