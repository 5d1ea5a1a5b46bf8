/**
 * The whole way of somebody who has no mouse: registering, writing, inviting, sharing, each found by Tab, done by Enter,
 * Space and arrows, and left by Escape, with the focus back where it came from.
 */
import type { Locator } from 'playwright-core'
import { expect, test } from 'vitest'
import type { ChatPage } from '../support/chat-page.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite()

/** More stops than the page has. */
const MAX_STOPS = 60

async function tabTo(chat: ChatPage, target: Locator): Promise<void> {
  await target.waitFor()
  for (let stop = 0; stop < MAX_STOPS; stop++) {
    if (await chat.hasFocus(target)) return
    await chat.page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not lead to ${String(target)}`)
}

async function press(chat: ChatPage, target: Locator, key = 'Enter'): Promise<void> {
  await tabTo(chat, target)
  await chat.page.keyboard.press(key)
}

test('by keyboard alone: register, write, invite, share', async () => {
  const chat = await suite.open()
  const { page } = chat
  const { keyboard } = page
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  await chat.account.waitFor()

  await press(chat, chat.account)
  await chat.focuses(button('Sign in'))
  await keyboard.press('ArrowDown')
  await chat.focuses(button('Create an account'))
  await keyboard.press('Enter')
  const register = chat.dialog('Create an account')
  await register.waitFor()
  await chat.focuses(register.getByLabel('Email'))
  await keyboard.type('kay@example.com')
  await tabTo(chat, register.getByLabel('Password', { exact: true }))
  await keyboard.type('too short')
  await keyboard.press('Enter')
  // The error is read out with its field, which has the focus again.
  const password = register.getByLabel('Password', { exact: true })
  const fault = register.getByRole('alert')
  await fault.waitFor()
  expect(await password.getAttribute('aria-describedby')).toContain(await fault.getAttribute('id'))
  await chat.focuses(password)
  await keyboard.press('ControlOrMeta+a')
  await keyboard.type('correct horse battery')
  await tabTo(chat, register.getByLabel('Name'))
  await keyboard.type('Kay')
  await keyboard.press('Enter')
  await register.waitFor({ state: 'detached' })
  await button('Kay, account menu').waitFor()
  await chat.focuses(chat.account)

  await tabTo(chat, chat.field)
  await keyboard.type('No mouse here')
  await keyboard.press('Enter')
  await page.waitForURL(/\/c\//)
  await chat.reads('You said: No mouse here')
  await chat.ends('completed')
  await page.locator('[aria-live=polite]', { hasText: 'Parley answered: You said: No mouse here' }).waitFor({
    state: 'attached',
  })

  await press(chat, button('Members'))
  const members = chat.dialog('Members')
  await tabTo(chat, members.getByLabel('They'))
  await keyboard.press('ArrowDown')
  expect(await members.getByLabel('They').inputValue()).toBe('viewer')
  await press(chat, members.getByRole('button', { name: 'Make a link' }))
  const invite = members.getByLabel('The link', { exact: true })
  await invite.waitFor()
  await chat.focuses(invite)
  expect(await invite.inputValue()).toContain('/invite#')
  await press(chat, members.getByRole('button', { name: /^Revoke the link: Can read/ }))
  await members.getByRole('button', { name: /^Revoke/ }).waitFor({ state: 'detached' })
  await keyboard.press('Escape')
  await members.waitFor({ state: 'detached' })
  await chat.focuses(button('Members'))

  await press(chat, button('Share'))
  const share = chat.dialog('Share a link to read')
  await press(chat, share.getByLabel('Only for people with an account'), 'Space')
  await press(chat, share.getByRole('button', { name: 'Make a link' }))
  const link = share.getByLabel('The link', { exact: true })
  await link.waitFor()
  expect(await link.inputValue()).toContain('/s#')
  await share.getByText('only with an account').waitFor()
  await keyboard.press('Escape')
  await share.waitFor({ state: 'detached' })
  await chat.focuses(button('Share'))
})

test('on a phone: the drawer takes the focus and gives it back', async () => {
  const chat = await suite.open()
  await chat.account.waitFor()
  await chat.page.setViewportSize({ width: 360, height: 740 })
  const open = chat.page.getByRole('button', { name: 'Open the list of conversations' })
  await press(chat, open)
  const close = chat.page.getByRole('button', { name: 'Close the list' })
  await chat.focuses(close)
  await chat.page.keyboard.press('Escape')
  await close.waitFor({ state: 'hidden' })
  await chat.focuses(open)
})
