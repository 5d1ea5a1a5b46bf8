/**
 * Becoming somebody on the page, in a real Chromium against a real server: a guest who registers, a second browser, signing
 * out, and a session that is ended from elsewhere. Screenshots are left in test-results/.
 */
import { describe, expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { ChatPage, type Credentials } from '../support/chat-page.ts'
import { PageSuite } from '../support/page-suite.ts'

const suite = new PageSuite()
let people = 0
const somebody = (): Credentials => ({
  email: `ada${++people}@example.com`,
  password: 'correct horse battery',
  name: `Ada ${people}`,
})

describe('registering', () => {
  test('a guest keeps the conversation that is open, in every tab, and a second browser finds it', async () => {
    const who = somebody()
    const chat = await suite.open()
    await chat.begin('Keep this')
    await chat.ends('completed')
    const beside = await suite.openBeside(chat)
    await beside.reads('You said: Keep this')
    await chat.account.click()
    await screenshot(chat.page, 'account-menu-guest')
    await chat.page.keyboard.press('Escape')
    expect(await chat.hasFocus(chat.account)).toBe(true)
    await chat.register(who)
    await chat.page.getByRole('button', { name: `${who.name}, account menu` }).waitFor()
    await beside.page.getByRole('button', { name: `${who.name}, account menu` }).waitFor()
    await chat.send('Still here')
    await chat.reads('You said: Still here')
    await beside.reads('You said: Still here')
    await chat.choose('Usage')
    await chat.page.keyboard.press('Escape')
    expect(await chat.hasFocus(chat.account)).toBe(true)

    const elsewhere = await suite.newPerson()
    const second = new ChatPage(await elsewhere.open())
    await second.signIn(who)
    await second.list.getByRole('link', { name: 'Keep this' }).click()
    await second.reads('You said: Still here')
    await second.account.click()
    await screenshot(second.page, 'account-menu')
    await elsewhere.leave()
    expect(elsewhere.complaints).toEqual([])
  })

  test('what is wrong is said beside its field, before and after sending, and nothing typed is lost', async () => {
    const who = somebody()
    const chat = await suite.open()
    await chat.choose('Create an account')
    const dialog = chat.dialog('Create an account')
    const [email, password] = [dialog.getByLabel('Email'), dialog.getByLabel('Password', { exact: true })]
    expect(await chat.hasFocus(email)).toBe(true)
    expect(await email.getAttribute('autocomplete')).toBe('username')
    expect(await password.getAttribute('autocomplete')).toBe('new-password')
    await email.fill(who.email)
    await password.fill('too short')
    await dialog.getByRole('button', { name: 'Create account' }).click()
    await dialog.getByText('A password has at least 12 characters.').waitFor()
    expect(await chat.hasFocus(password)).toBe(true)
    expect(await password.getAttribute('aria-invalid')).toBe('true')
    await dialog.getByRole('button', { name: 'Show the password' }).click()
    expect(await password.getAttribute('type')).toBe('text')
    await screenshot(chat.page, 'register-too-short')
    await password.fill('password1234')
    await dialog.getByRole('button', { name: 'Create account' }).click()
    await dialog.locator('.field-error').waitFor()
    await screenshot(chat.page, 'register-common')
    await password.fill(who.password)
    await dialog.getByRole('button', { name: 'Create account' }).click()
    await dialog.waitFor({ state: 'detached' })

    const elsewhere = await suite.newPerson()
    const second = new ChatPage(await elsewhere.open())
    await second.choose('Create an account')
    const again = second.dialog('Create an account')
    await again.getByLabel('Email').fill(who.email.toUpperCase())
    await again.getByLabel('Password', { exact: true }).fill(who.password)
    await again.getByRole('button', { name: 'Create account' }).click()
    await again.getByText('There is an account with this email already.').waitFor()
    await again.getByRole('button', { name: 'Sign in' }).click()
    const enter = second.dialog('Sign in')
    expect(await enter.getByLabel('Password', { exact: true }).getAttribute('autocomplete')).toBe(
      'current-password',
    )
    await second.fillSignIn({ ...who, password: 'wrong horse battery' })
    await enter.getByText('The email or the password is wrong.').waitFor()
    await screenshot(second.page, 'sign-in-wrong')
    await second.fillSignIn(who)
    await enter.waitFor({ state: 'detached' })
    await elsewhere.leave()
  })
})

describe('sessions', () => {
  test('signing out leaves nothing on the screen, in any tab, and nobody becomes a guest unasked', async () => {
    const who = somebody()
    const chat = await suite.open()
    await chat.register(who)
    await chat.begin('My secret')
    await chat.ends('completed')
    await chat.field.fill('an unsent thought')
    const beside = await suite.openBeside(chat)
    await beside.reads('You said: My secret')
    await chat.choose('Sign out')
    for (const tab of [chat, beside]) {
      await tab.page.getByRole('heading', { name: 'You have signed out' }).waitFor()
      expect(await tab.page.getByText('My secret').count()).toBe(0)
    }
    await screenshot(chat.page, 'signed-out')
    await chat.page.reload()
    await chat.page.getByRole('heading', { name: 'You have signed out' }).waitFor()
    await chat.page.getByRole('button', { name: 'Continue as guest' }).click()
    await chat.page.getByRole('heading', { name: 'What shall we talk about?' }).waitFor()
    expect(await chat.field.inputValue()).toBe('')
    expect(await chat.page.getByText('My secret').count()).toBe(0)
    await chat.page.getByRole('button', { name: /^Guest .*account menu$/ }).waitFor()
  })

  test('a device that is signed out from another one says so, and comes back to the same conversation', async () => {
    const who = somebody()
    const chat = await suite.open()
    await chat.register(who)
    await chat.begin('On two devices')
    await chat.ends('completed')
    const elsewhere = await suite.newPerson()
    const second = new ChatPage(await elsewhere.open())
    await second.signIn(who)
    await second.list.getByRole('link', { name: 'On two devices' }).click()
    await second.reads('You said: On two devices')

    await chat.choose('Devices')
    const dialog = chat.dialog('Where you are signed in')
    await dialog.getByText('This device').first().waitFor()
    await screenshot(chat.page, 'devices')
    await dialog.getByRole('button', { name: /^Sign out/ }).click()
    await dialog.getByRole('button', { name: /^Sign out/ }).waitFor({ state: 'detached' })
    await second.page.getByRole('heading', { name: 'You have been signed out' }).waitFor()
    await screenshot(second.page, 'signed-out-from-elsewhere')
    await second.page.getByRole('main').getByRole('button', { name: 'Sign in' }).click()
    await second.fillSignIn(who)
    await second.reads('You said: On two devices')
    await elsewhere.leave()
    expect(elsewhere.complaints).toEqual([])
  })

  test('a new password keeps this device, and is the only one that serves', async () => {
    const who = somebody()
    const chat = await suite.open()
    await chat.register(who)
    await chat.choose('Change password')
    const dialog = chat.dialog('Change your password')
    await dialog.getByLabel('Current password').fill('not this one, no')
    await dialog.getByLabel('New password').fill('another horse battery')
    await dialog.getByRole('button', { name: 'Change the password' }).click()
    await dialog.getByRole('alert').waitFor()
    await screenshot(chat.page, 'password-wrong')
    await dialog.getByLabel('Current password').fill(who.password)
    await dialog.getByRole('button', { name: 'Change the password' }).click()
    await chat.dialog('Your password is changed').getByRole('button', { name: 'Done' }).click()
    await chat.begin('Still me')
    await chat.ends('completed')
    await chat.choose('Sign out everywhere')
    await chat.page.getByRole('heading', { name: 'You have signed out' }).waitFor()
    await chat.page.getByRole('main').getByRole('button', { name: 'Sign in' }).click()
    expect(await chat.dialog('Sign in').getByLabel('Email').inputValue()).toBe(who.email)
    await chat.fillSignIn({ ...who, password: 'another horse battery' })
    await chat.list.getByRole('link', { name: 'Still me' }).waitFor()
  })
})

describe('on a small screen', () => {
  test('at 360 px everything fits, in light and dark', async () => {
    const chat = await suite.open()
    await chat.page.setViewportSize({ width: 360, height: 740 })
    await chat.page.getByRole('button', { name: 'Open the list of conversations' }).click()
    await chat.account.click()
    await screenshot(chat.page, 'account-menu-360')
    await chat.page.getByRole('button', { name: 'Create an account' }).click()
    await chat.dialog('Create an account').waitFor()
    await screenshot(chat.page, 'register-360-light')
    await chat.page.emulateMedia({ colorScheme: 'dark' })
    await screenshot(chat.page, 'register-360-dark')
    expect(await chat.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
    await chat.page.keyboard.press('Escape')
    // The drawer stays: the key was the dialog's.
    await chat.account.waitFor()
    expect(await chat.hasFocus(chat.account)).toBe(true)
  })
})
