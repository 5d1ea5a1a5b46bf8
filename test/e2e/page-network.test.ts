/**
 * The page in a real Chromium on a network that goes away, and with a server that is killed: nothing is lost, and nothing
 * comes twice.
 */
import { describe, expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite()

describe('a bad network', () => {
  test('I3: what is sent offline waits, is sent once when the network is back, and nothing is lost', async () => {
    const chat = await suite.open()
    await chat.begin('Before')
    await chat.ends('completed')
    await suite.person.context.setOffline(true)
    await chat.link('offline')
    await chat.send('Said in a tunnel')
    await chat.page.getByText('Will be sent when the connection is back').waitFor()
    await screenshot(chat.page, 'offline')
    await suite.person.context.setOffline(false)
    await chat.link('open')
    await chat.reads('You said: Said in a tunnel')
    await chat.ends('completed')
    expect(await chat.questions.locator('.bubble').allInnerTexts()).toEqual(['Before', 'Said in a tunnel'])
  })

  test('what is sent offline survives a reload', async () => {
    const chat = await suite.open()
    await chat.begin('Before')
    await chat.ends('completed')
    await suite.person.context.setOffline(true)
    await chat.link('offline')
    await chat.send('Said before the reload')
    await chat.page.getByText('Will be sent when the connection is back').waitFor()
    await suite.person.context.setOffline(false)
    await chat.page.reload()
    await chat.reads('You said: Said before the reload')
    expect(await chat.questions.count()).toBe(2)
  })

  test('promise 5: a server that dies in the middle of an answer is found again, and the tab shows what was stored', async () => {
    // Long enough that some of it was stored before the rest was shown.
    const { message, half } = suite.heldAnswer({ tokens: 3_000, after: 2_500 })
    const chat = await suite.open()
    await chat.begin(message)
    await chat.reads(half)
    await suite.world.kill()
    await chat.link('reconnecting')
    await chat.send('Sent while the server was gone')
    await screenshot(chat.page, 'reconnecting')
    await suite.world.startParley()
    await chat.link('open')
    await chat.reads('You said: Sent while the server was gone')
    const interrupted = chat.page.locator('.answer.interrupted')
    await interrupted.getByText('The server restarted while this was being written.').waitFor()
    const stored = await interrupted.locator('.markdown').innerText()
    expect(stored.length).toBeGreaterThan(100)
    expect(half.startsWith(stored)).toBe(true)
    expect(await chat.questions.count()).toBe(2)
    await screenshot(chat.page, 'interrupted')
  })
  test('a first message that finds no server says so, and its text is kept', async () => {
    const chat = await suite.open()
    await chat.page.getByText('Your conversations will be listed here.').waitFor()
    await suite.world.kill()
    await chat.send('Is anybody there?')
    await chat.page.locator('main').getByRole('alert').getByText('The server could not be reached.').waitFor()
    await screenshot(chat.page, 'no-server')
    expect(await chat.field.inputValue()).toBe('Is anybody there?')
    await suite.world.startParley()
    await chat.field.press('Enter')
    await chat.reads('You said: Is anybody there?')
    await chat.ends('completed')
    expect(await chat.list.locator('.list-item').count()).toBe(1)
    await chat.page.getByRole('alert').waitFor({ state: 'detached' })
  })
})
