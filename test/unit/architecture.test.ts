/**
 * The layout is a promise to everyone who reads the code, and a promise that nothing checks is soon broken: who may
 * import whom, how long a file may be, what it is called, what may not be in it. First the repository, then the rules
 * themselves on small bad files, so that a rule that cannot fail is found out.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as rules from '../support/architecture.ts'
import type { ImportTable } from '../support/architecture.ts'
import { readSource } from '../support/source-file.ts'

/** Besides its own part, `protocol/` and `errors.ts`, which everyone may use. The same table in words: src/README.md. */
const MAY_IMPORT: ImportTable = {
  index: { code: ['app', '*-object', 'services'], types: ['env'] },
  '*-object': { code: ['services', 'lending', 'operating'], types: ['env', 'admission'] },
  app: { code: ['http', 'web', 'env'] },
  env: { types: ['services', '*-object', 'observability'] },
  services: {
    code: [
      'env',
      'identity',
      'per-isolate',
      'operating',
      'providers',
      'admission',
      'agents',
      'auth',
      'incidents',
      'limits',
      'models',
      'observability',
      'operations',
      'privacy',
      'rag',
      'storage',
      'validation',
      'webhooks',
    ],
    types: ['conversation', '*-object'],
  },
  lending: {
    code: [
      'env',
      'services',
      'operating',
      'providers',
      'admission',
      'limits',
      'models',
      'storage',
      'webhooks',
    ],
    types: ['conversation'],
  },
  operating: {
    code: ['env', 'per-isolate', 'services', 'providers', 'admission', 'incidents', 'models', 'operations'],
    types: ['*-object'],
  },
  providers: { code: ['env', 'per-isolate', 'models'] },
  'per-isolate': { types: ['env'] },
  identity: { code: ['auth', 'storage'], types: ['env', 'observability'], outside: ['.build'] },
  http: {
    code: ['services', 'auth', 'codecs'],
    types: [
      'env',
      'identity',
      'admission',
      'incidents',
      'operations',
      'webhooks',
      'conversation',
      'limits',
      'models',
      'observability',
      'rag',
      'storage',
      'validation',
    ],
  },
  conversation: {
    code: ['agents', 'limits', 'observability', 'validation'],
    types: ['admission', 'models', 'rag'],
    outside: ['migrations/conversation'],
  },
  agents: { types: ['models', 'rag'] },
  rag: { code: ['storage'] },
  limits: { code: ['storage'], types: ['*-object'] },
  privacy: { code: ['storage'], types: ['env', 'limits', 'observability'] },
  storage: { outside: ['migrations/d1'] },
  auth: {},
  codecs: { packages: [] },
  models: {},
  admission: { types: ['*-object', 'models', 'incidents'] },
  operations: { code: ['incidents', 'models'], types: ['*-object'] },
  incidents: { types: ['*-object', 'models', 'webhooks'] },
  webhooks: { code: ['storage'], types: ['*-object'] },
  observability: {},
  validation: {},
  web: { code: ['client'] },
  client: { types: ['app'], packages: ['zod', 'hono'] },
  protocol: { packages: ['zod'] },
  errors: { packages: [] },
  sql: { packages: [] },
  deploy: {},
  'make-admin': {},
}

const TOP_LEVEL = [
  'src',
  'migrations',
  'test',
  'wrangler.toml',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'LICENSE',
  'README.md',
]

const ROOT = join(import.meta.dirname, '../..')
/** What is in the repository or about to be. */
const paths = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  .toString()
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(ROOT, path)))

const isCode = (path: string): boolean => /\.(?:ts|tsx|mjs)$/.test(path)
const read = (path: string) => readSource(path, readFileSync(join(ROOT, path), 'utf8'))
const sources = paths.filter((path) => path.startsWith('src/') && isCode(path)).map(read)
const tests = paths.filter((path) => path.startsWith('test/') && isCode(path)).map(read)

describe('the repository', () => {
  test('has files to check', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(tests.length).toBeGreaterThan(20)
  })

  test('imports only what the table allows', () => {
    expect(sources.flatMap((file) => rules.importComplaints(file, MAY_IMPORT))).toEqual([])
  })

  test('has files of a readable size that say what they are and use no forbidden syntax', () => {
    expect(sources.flatMap(rules.fileComplaints)).toEqual([])
  })

  test('has tests of a readable size too', () => {
    expect(tests.flatMap(rules.sizeComplaints)).toEqual([])
  })

  test('names its files in kebab-case, and by what they hold', () => {
    const named = paths.filter((path) => path.startsWith('src/') || path.startsWith('test/'))
    expect(named.flatMap(rules.nameComplaints)).toEqual([])
  })

  test('has nothing new at its top level', () => {
    expect(rules.topLevelComplaints(paths, TOP_LEVEL)).toEqual([])
  })

  test('switches no test off, and repeats none until it passes', () => {
    expect(tests.flatMap(rules.testComplaints)).toEqual([])
  })
})

describe('the import rule', () => {
  const complaints = (path: string, code: string): string[] =>
    rules.importComplaints(readSource(path, code), MAY_IMPORT)

  test.each([
    [
      'a part that the table does not name',
      'src/http/x.ts',
      "import { Room } from '../conversation/room.ts'",
    ],
    ['code where only types are allowed', 'src/http/x.ts', "import { readConfig } from '../env.ts'"],
    ['a type in braces, whose import stays', 'src/http/x.ts', "import { type Env } from '../env.ts'"],
    ['env from a part', 'src/conversation/x.ts', "import type { Env } from '../env.ts'"],
    ['a re-export', 'src/models/x.ts', "export { Outbox } from '../conversation/outbox.ts'"],
    ['a star export', 'src/models/x.ts', "export * from '../conversation/outbox.ts'"],
    ['a dynamic import', 'src/models/x.ts', "const lazy = import('../conversation/outbox.ts')"],
    ['an import in a type', 'src/models/x.ts', "type T = import('../conversation/outbox.ts').Outbox<1>"],
    ['an import for its effect', 'src/models/x.ts', "import '../conversation/outbox.ts'"],
    ['an object from the composition root', 'src/services.ts', "import { T } from './auth/ticket-object.ts'"],
    ['the server from the browser', 'src/web/x.tsx', "import { app } from '../app.ts'"],
    ['a package in the protocol', 'src/protocol/x.ts', "import { Hono } from 'hono'"],
    ['a path without an extension', 'src/http/x.ts', "import { a } from './y'"],
    ['a test', 'src/http/x.ts', "import { a } from '../../test/support/y.ts'"],
    ['another folder from an object', 'src/auth/x-object.ts', "import { a } from '../http/y.ts'"],
  ])('finds %s', (_, path, code) => {
    expect(complaints(path, code)).toHaveLength(1)
  })

  test.each([
    ['its own part', 'src/http/routes/x.ts', "import { a } from '../y.ts'"],
    ['the protocol and the errors', 'src/rag/x.ts', "import '../protocol/ids.ts'\nimport '../errors.ts'"],
    ['types where types are allowed', 'src/conversation/x.ts', "import type { M } from '../models/model.ts'"],
    ['its own folder, from an object', 'src/auth/x-object.ts', "import { a } from './y.ts'"],
    [
      'what stands in a comment or a text',
      'src/rag/x.ts',
      "// import '../app.ts'\nconst a = \"from '../app.ts'\"",
    ],
  ])('allows %s', (_, path, code) => {
    expect(complaints(path, code)).toEqual([])
  })

  test('finds a folder that is no part of the layout', () => {
    expect(complaints('src/misc/x.ts', '')).toHaveLength(1)
  })
})

describe('the rules for one file', () => {
  const HEAD = '/**\n * What it is.\n * What it leaves to others.\n */\n'
  const complaints = (path: string, code: string): string[] => rules.fileComplaints(readSource(path, code))

  test.each([
    ['no comment at its head', 'const a = 1'],
    ['a comment of one line', '/** A. */\nconst a = 1'],
    ['a comment that goes on and on', `/**\n${' * A.\n'.repeat(9)} */\nconst a = 1`],
    ['a comment that is not the first thing', `const b = 2\n${HEAD}`],
    ['too many lines', `${HEAD}${'const a = 1\n'.repeat(rules.MAX_LINES)}`],
    ['any', `${HEAD}let a: any`],
    ['any inside a type', `${HEAD}let a: Map<string, any[]>`],
    ['an enum', `${HEAD}enum A { B }`],
    ['a const enum', `${HEAD}const enum A { B }`],
    ['an import of who knows what', `${HEAD}const a = import(name)`],
    ['only re-exports', `${HEAD}export { a } from './a.ts'\nexport * from './b.ts'`],
    ['only re-exports, by way of imports', `${HEAD}import { a } from './a.ts'\nexport { a }`],
    ['an object', `${HEAD}export class A extends DurableObject<Env> {}`],
  ])('finds %s', (_, code) => {
    expect(complaints('src/http/x.ts', code)).toHaveLength(1)
  })

  test('allow what is right', () => {
    const code = `${HEAD}/* any enum */ const a = 'any'\nexport class A extends Base {}`
    expect(complaints('src/http/x.ts', code)).toEqual([])
    expect(complaints('src/auth/x-object.ts', `${HEAD}export class A extends DurableObject {}`)).toEqual([])
    expect(complaints('src/client/index.ts', `${HEAD}export { a } from './a.ts'`)).toEqual([])
    expect(complaints('src/x.tsx', `${HEAD}export const a = <p>any</p>`)).toEqual([])
  })
})

describe('the rule for size', () => {
  const complaints = (lines: number): string[] =>
    rules.sizeComplaints(readSource('test/unit/x.test.ts', "test('a', () => {})\n".repeat(lines)))

  test('finds a test file with one line too many, and no other', () => {
    expect(complaints(rules.MAX_LINES)).toEqual([])
    expect(complaints(rules.MAX_LINES + 1)).toEqual([`test/unit/x.test.ts: has ${rules.MAX_LINES + 1} lines`])
  })
})

describe('the rules for names', () => {
  test.each([
    'src/http/fooBar.ts',
    'src/http/foo_bar.ts',
    'src/http/.md.ts',
    'src/Http/foo.ts',
    'src/http/utils.ts',
    'src/http/string-helpers.ts',
    'src/common/x.ts',
    'src/http/services.ts',
    'src/http/session-manager.ts',
    'src/http/x.test.ts',
    'test/unit/fooBar.test.ts',
    'test/unit/foo_bar.test.ts',
    'test/unit/.test.ts',
    'test/e2e/foo.test.test.ts',
    'test/workers/foo.spec.ts',
    'test/support/helpers.ts',
    'test/Support/foo.ts',
  ])('refuse %s', (path) => {
    expect(rules.nameComplaints(path)).toHaveLength(1)
  })

  test('allow what is right', () => {
    const right = [
      'src/services.ts',
      'src/sql.d.ts',
      'src/README.md',
      'src/http/routes/a-1.tsx',
      'src/x/a.svg',
      'test/unit/foo-bar.test.ts',
      'test/support/foo-bar.ts',
      'test/workers/env.d.ts',
      'test/vitest.config.ts',
      'test/tsconfig.json',
    ]
    expect(right.flatMap(rules.nameComplaints)).toEqual([])
  })

  test('refuse a new entry at the top level, but for dotfiles', () => {
    const found = rules.topLevelComplaints(
      ['src/a.ts', '.gitignore', '.ci/run', 'docs/a.md', 'a.js'],
      TOP_LEVEL,
    )
    expect(found).toHaveLength(2)
  })
})

describe('the rule for tests', () => {
  const complaints = (code: string): string[] => rules.testComplaints(readSource('test/x.test.ts', code))

  test.each([
    "test.skip('a', () => {})",
    "describe.only('a', () => {})",
    "it.concurrent.only('a', () => {})",
    "test.todo('a')",
    "test.skipIf(true)('a', () => {})",
    "test('a', { retry: 3 }, () => {})",
    'export default { test: { retry: 1 } }',
  ])('finds %s', (code) => {
    expect(complaints(code)).toHaveLength(1)
  })

  test('allows what only looks like it', () => {
    expect(complaints("test('a', () => list.skip(1).only); const retries = 'test.skip'")).toEqual([])
  })
})
