/**
 * Reading and using the page in a real Chromium: scrolling, copying, a small screen, the keyboard, a screen reader.
 */
import { describe, expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite()

describe('reading', () => {
  test('the end is followed until the reader scrolls up, and again after "Jump to latest"', async () => {
    const lines = Array.from({ length: 120 }, (_, index) => `Line ${index + 1}`).join('\n\n')
    const chat = await suite.open()
    const { message, release } = suite.heldText(lines, { after: 200 })
    await chat.begin(message)
    const box = chat.page.getByRole('region', { name: 'Messages' })
    const fromEnd = () => box.evaluate((e) => Math.round(e.scrollHeight - e.scrollTop - e.clientHeight))
    await chat.page.waitForFunction(() => (document.querySelector('.answer')?.textContent?.length ?? 0) > 600)
    expect(await fromEnd()).toBeLessThan(4)
    await box.hover()
    await chat.page.mouse.wheel(0, -300)
    const jump = chat.page.getByRole('button', { name: 'Jump to latest' })
    await jump.waitFor()
    await screenshot(chat.page, 'scrolled-up')
    const before = await box.evaluate((e) => e.scrollTop)
    await release()
    await chat.ends('completed')
    expect(await box.evaluate((e) => e.scrollTop)).toBe(before)
    await jump.click()
    await jump.waitFor({ state: 'detached' })
    expect(await fromEnd()).toBeLessThan(4)
  })

  test('older messages come when scrolling up, and what is being read stays where it is', async () => {
    const chat = await suite.open()
    await chat.begin('Message 1')
    await chat.ends('completed')
    await chat.page.evaluate(async (conversationId) => {
      const { accessToken } = JSON.parse(localStorage.getItem('parley.session') ?? '{}')
      const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
      for (let i = 2; i <= 60; i++) {
        await fetch('/api/chat', {
          method: 'POST',
          headers,
          body: JSON.stringify({ message: `Message ${i}`, conversationId }),
        })
      }
    }, chat.conversationId)
    await chat.page.reload()
    await chat.reads('You said: Message 60')
    expect(await chat.questions.count()).toBeLessThan(60)
    const box = chat.page.getByRole('region', { name: 'Messages' })
    await box.hover()
    const seen = await chat.page.waitForFunction(() => {
      const box = document.querySelector('.scroller')
      const first = document.querySelector('.question')
      if (!box || !first) return false
      // Reads on at the top, and notes where the first message was before and after more came.
      const top = first.getBoundingClientRect().top
      const text = first.querySelector('.bubble')?.textContent
      const moved = Reflect.get(window, 'moved') ?? { text, top, jumps: [] }
      if (moved.text !== text) {
        const same = [...document.querySelectorAll('.question')].find(
          (e) => e.querySelector('.bubble')?.textContent === moved.text,
        )
        moved.jumps.push(Math.round(Math.abs((same?.getBoundingClientRect().top ?? 1e6) - moved.top)))
      }
      box.scrollTop -= 40
      const next = document.querySelector('.question')
      Reflect.set(window, 'moved', {
        text: next?.querySelector('.bubble')?.textContent,
        top: next?.getBoundingClientRect().top,
        jumps: moved.jumps,
      })
      return text === 'Message 1' && moved.jumps
    })
    const jumps = (await seen.jsonValue()) as number[]
    expect(jumps.length).toBeGreaterThan(0)
    expect(Math.max(...jumps)).toBeLessThan(3)
    expect(await chat.questions.count()).toBe(60)
  })

  test('code is copied from its block, also while the answer grows, and a message as it was written', async () => {
    await suite.person.context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const markdown = '# Title\n\n```ts\nconst a = "<b>"\n```\n\nThe end is **here**, after a while.'
    const chat = await suite.open()
    const { message, release } = suite.heldText(markdown, { after: 12 })
    await chat.begin(message)
    const clipboard = () => chat.page.evaluate(() => navigator.clipboard.readText())
    await chat.page.getByRole('button', { name: 'Copy', exact: true }).click()
    await chat.page.getByRole('button', { name: 'Copied' }).waitFor()
    expect(await clipboard()).toBe('const a = "<b>"')
    await release()
    await chat.ends('completed')
    await chat.page.getByRole('button', { name: 'Copy the answer' }).click()
    await chat.page.getByRole('button', { name: 'Copied' }).first().waitFor()
    expect(await clipboard()).toBe(markdown)
  })
})

describe('ways to use it', () => {
  test('at 360 px the list is a drawer, nothing is cut off, and everything can be done', async () => {
    const chat = await suite.open()
    await chat.page.setViewportSize({ width: 360, height: 740 })
    await screenshot(chat.page, 'welcome-360')
    const wide = '| a | b | c | d | e | f |\n|-|-|-|-|-|-|\n' + '| wide cell here '.repeat(6) + '|'
    const code = '```\n' + 'x'.repeat(200) + '\n```'
    await chat.begin(
      `A rather long question for a small screen [[text=${JSON.stringify(`${wide}\n\n${code}\n\n${'y'.repeat(90)}`)}]]`,
    )
    await chat.ends('completed')
    expect(await chat.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
    expect(await chat.page.locator('.scroller').evaluate((e) => e.scrollWidth <= e.clientWidth)).toBe(true)
    await screenshot(chat.page, 'chat-360-light')
    await chat.page.emulateMedia({ colorScheme: 'dark' })
    await screenshot(chat.page, 'chat-360-dark')

    const menu = chat.page.getByRole('button', { name: 'Open the list of conversations' })
    expect(await chat.list.isVisible()).toBe(false)
    await menu.click()
    await chat.list.getByRole('link', { name: 'New conversation' }).waitFor()
    await chat.page.keyboard.press('Escape')
    await chat.list.waitFor({ state: 'hidden' })
    await menu.click()
    await chat.list.getByRole('link', { name: 'New conversation' }).click()
    await chat.page.waitForURL(/\/$/)
    await chat.list.waitFor({ state: 'hidden' })
  })

  test('with the keyboard alone: skip link, a message, a line break, the list, a new conversation', async () => {
    const chat = await suite.open()
    await chat.field.waitFor()
    const skip = chat.page.getByRole('link', { name: 'Skip to the message field' })
    expect(await skip.evaluate((link) => link === document.querySelector('a, button, input, textarea'))).toBe(
      true,
    )
    await skip.focus()
    await chat.page.keyboard.press('Enter')
    await chat.page.keyboard.type('one')
    await chat.page.keyboard.press('Shift+Enter')
    await chat.page.keyboard.type('two')
    await chat.page.keyboard.press('Enter')
    await chat.page.waitForURL(/\/c\//)
    await chat.ends('completed')
    expect(await chat.questions.locator('.bubble').innerText()).toBe('one\ntwo')
    await chat.page.keyboard.press('Control+k')
    await chat.page.waitForURL(/\/$/)
    await chat.page.goBack()
    await chat.ends('completed')
  })

  test('finished answers are announced, half ones are not', async () => {
    const { message, half, whole, release } = suite.heldAnswer()
    const chat = await suite.open()
    await chat.begin(message)
    await chat.reads(half)
    const said = chat.page.locator('.conversation > [aria-live=polite].visually-hidden')
    expect(await said.innerText()).toBe('')
    await release()
    await chat.page.getByText(`Parley answered: ${whole.trim()}`).waitFor({ state: 'attached' })
  })

  test('a chosen colour scheme is remembered, whatever the system says', async () => {
    const chat = await suite.open()
    const background = () => chat.page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await background()
    await chat.page.getByRole('radio', { name: 'Dark' }).check({ force: true })
    const dark = await background()
    expect(dark).not.toBe(light)
    await chat.page.reload()
    await chat.field.waitFor()
    expect(await background()).toBe(dark)
    expect(await chat.page.getByRole('radio', { name: 'Dark' }).isChecked()).toBe(true)
  })

  test('a draft stays with its conversation', async () => {
    const chat = await suite.open()
    await chat.begin('First')
    await chat.ends('completed')
    await chat.field.fill('half a thought')
    await chat.list.getByRole('link', { name: 'New conversation' }).click()
    await chat.page.waitForURL(/\/$/)
    expect(await chat.field.inputValue()).toBe('')
    await chat.page.goBack()
    await chat.ends('completed')
    expect(await chat.field.inputValue()).toBe('half a thought')
  })
})
