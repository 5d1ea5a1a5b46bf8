/**
 * What somebody sees who clones the repository and types the README's commands: no account, no key, nothing set up.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readyAnswer } from '../../src/protocol/http.ts'
import { textOf } from '../../src/protocol/message.ts'
import { FreshCheckout } from '../support/fresh-checkout.ts'
import type { ProcessGroup } from '../support/process-group.ts'
import { readEvents, TestUser } from '../support/test-user.ts'
import { freePort } from '../support/wrangler-dev.ts'

const READY = /Ready on (http:\S+)/

let checkout: FreshCheckout
let running: ProcessGroup | null = null

beforeAll(async () => {
  checkout = await FreshCheckout.make()
})
afterEach(() => end())
afterAll(() => checkout?.remove())

/** @returns the address that is printed */
async function begin(command: string, args: readonly string[]): Promise<string> {
  const started = performance.now()
  running = checkout.run(command, args)
  const [, url = ''] = await running.printed(READY)
  console.log(
    `${[command, ...args].join(' ')}: an address after ${Math.round(performance.now() - started)} ms`,
  )
  return url
}

async function end(): Promise<void> {
  await running?.interrupt()
  running = null
}

/** Lines that complain. What npm says of this machine's own settings is not ours. */
function complaints(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => /warn|error|deprecat/i.test(line) && !/^npm (warn|notice)/.test(line))
}

describe('npm run dev', () => {
  test('prints an address without warnings, and what was said is there the next day', async () => {
    const port = await freePort()
    const url = await begin('npm', ['run', 'dev', '--', '--port', String(port)])
    expect(new URL(url).port).toBe(String(port))
    const user = await TestUser.guest(url)
    const { conversationId, message } = await user.chat({ message: 'How do I deploy this?' })
    expect(textOf(message)).toContain('offline')
    expect(message).toMatchObject({ status: 'completed', model: 'offline' })
    expect((await user.conversations()).map(({ id }) => id)).toEqual([conversationId])
    expect(complaints(running?.output ?? '')).toEqual([])
    const before = await user.transcript(conversationId)
    await end()

    await begin('npm', ['start', '--', '--port', String(port)])
    expect(await user.transcript(conversationId)).toEqual(before)
    expect((await user.conversations()).map(({ id }) => id)).toEqual([conversationId])
    expect(complaints(running?.output ?? '')).toEqual([])
  })

  test('serves the page with a strict policy, and everything that the page asks for', async () => {
    const url = await begin('npm', ['run', 'dev', '--', '--port', String(await freePort())])
    const page = await fetch(url)
    const html = await page.text()
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).not.toMatch(/unsafe|\*/)
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=/)

    const assets = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = '']) => path)
    expect(assets.length).toBeGreaterThan(1)
    for (const path of assets) {
      const asset = await fetch(url + path)
      expect([path, asset.status]).toEqual([path, 200])
      expect(asset.headers.get('content-type'), path).not.toMatch(/^text\/html/)
      await asset.body?.cancel()
    }
    // A conversation's own address is the page, too; what is no address of the API is not.
    const deep = await fetch(`${url}/c/00000000-0000-4000-8000-000000000000`)
    expect(await deep.text()).toBe(html)
    expect((await fetch(`${url}/api/nothing`)).status).toBe(404)
  })
})

describe('npx wrangler dev', () => {
  test('works by itself: databases are migrated, all parts are up, and an answer streams', async () => {
    const url = await begin('npx', ['wrangler', 'dev'])
    const ready = await fetch(`${url}/api/health/ready`)
    expect(ready.status).toBe(200)
    const { components } = readyAnswer.parse(await ready.json())
    expect(Object.values(components).map(({ state }) => state)).toEqual(['up', 'up', 'up'])
    const user = await TestUser.guest(url)
    const response = await user.request('POST', '/api/chat/stream', { body: { message: 'Hello' } })
    const types: string[] = []
    for await (const { frame } of readEvents(response)) types.push(frame.type)
    expect(types[0]).toBe('message_accepted')
    expect(types.filter((type) => type === 'stream_chunk').length).toBeGreaterThan(3)
    expect(types.at(-1)).toBe('stream_complete')
    expect(await user.conversations()).toHaveLength(1)
  })
})
