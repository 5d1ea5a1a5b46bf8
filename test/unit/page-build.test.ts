/**
 * The build of the page, run as `wrangler dev` runs it: quiet, repeatable, and its result small, without server code and
 * without anything inline that the security policy would have to allow.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = join(ROOT, '.build/page')

/** Of the scripts that the first visit loads, gzipped. The page has to be there at once on a bad network, too. */
const FIRST_LOAD_BYTES = 85_000

/** Of everything that is loaded later, each part when it is first wanted; nobody wants all. */
const LATER_BYTES = 30_000

const build = () => promisify(execFile)(process.execPath, [join(ROOT, 'src/web/build.mjs')])
const read = (name: string) => readFile(join(PAGE, name), 'utf8')

let printed: { stdout: string; stderr: string }
let scripts: string[]

beforeAll(async () => {
  printed = await build()
  const assets = await readdir(join(PAGE, 'assets'))
  scripts = assets.filter((name) => name.endsWith('.js')).map((name) => `assets/${name}`)
})

test('says nothing when all is well', () => {
  expect(printed).toEqual({ stdout: '', stderr: '' })
})

test('a second build changes nothing, not even the times of the files', async () => {
  const state = async () => {
    const names = await readdir(PAGE, { recursive: true })
    const times = await Promise.all(
      names.map(async (name) => [name, (await stat(join(PAGE, name))).mtimeMs] as const),
    )
    return Object.fromEntries(times.filter(([name]) => name !== 'assets'))
  }
  const before = await state()
  await build()
  expect(await state()).toEqual(before)
})

test('every file that the page asks for is there', async () => {
  const page = await read('index.html')
  const asked = [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1] ?? '')
  expect(asked.length).toBeGreaterThanOrEqual(4)
  for (const name of asked) expect((await stat(join(PAGE, name))).size).toBeGreaterThan(0)
  expect(page).not.toContain('%')
})

test('nothing is inline, and the policy allows nothing inline, nothing evaluated, and nothing from elsewhere', async () => {
  expect(await read('index.html')).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]*src=)/)
  const policy = /Content-Security-Policy: (.*)/.exec(await read('_headers'))?.[1] ?? ''
  expect(policy).not.toMatch(/unsafe|\*|https?:/)
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]) {
    expect(policy.split('; ')).toContain(part)
  }
})

/** A script, and what it imports before it runs. */
async function withImports(names: readonly string[], found = new Set<string>()): Promise<Set<string>> {
  for (const name of names) {
    if (found.has(name)) continue
    found.add(name)
    const imports = [...(await read(name)).matchAll(/(?:from|import)"\.\/([^"]+)"/g)]
    await withImports(
      imports.map((match) => `assets/${match[1] ?? ''}`),
      found,
    )
  }
  return found
}

test('the scripts are small, and hold no server code', async () => {
  const page = await read('index.html')
  const asked = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1] ?? '')
  const first = await withImports(asked)
  const later = scripts.filter((name) => !first.has(name))
  const bytes = async (names: Iterable<string>) => {
    const texts = await Promise.all([...names].map(read))
    return texts.reduce((sum, text) => sum + gzipSync(text, { level: 9 }).length, 0)
  }
  expect(await bytes(first)).toBeLessThan(FIRST_LOAD_BYTES)
  expect(later.length).toBeGreaterThan(0)
  expect(await bytes(later)).toBeLessThan(LATER_BYTES)
  const texts = await Promise.all(scripts.map(read))
  expect(texts.join('')).not.toMatch(/cloudflare:|drizzle|CREATE TABLE|openai/i)
})

test('the page asks for all parts of the first script at once, instead of one after the other', async () => {
  const page = await read('index.html')
  const app = scripts.filter((name) => name.startsWith('assets/app.'))
  const preloaded = [...page.matchAll(/rel="modulepreload" href="\/([^"]+)"/g)].map((match) => match[1] ?? '')
  expect(new Set([...preloaded, ...app])).toEqual(await withImports(app))
})
