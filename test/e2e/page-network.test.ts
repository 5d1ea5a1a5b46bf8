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
})
