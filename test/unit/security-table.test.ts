/**
 * The table of OWASP's API security items in src/README.md: all ten are there, and the tests that it names are, too. What
 * those tests show is theirs to say.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const rows = [...readFileSync(join(ROOT, 'src/README.md'), 'utf8').matchAll(/^\| (API\d+) .*\|$/gm)].map(
  ([row, item = '']) => ({ item, row }),
)

describe('the table of security items', () => {
  test('has all ten', () => {
    expect(rows.map(({ item }) => item)).toEqual(Array.from({ length: 10 }, (_, i) => `API${i + 1}`))
  })

  test.each(rows)('$item names tests that are there', ({ row }) => {
    const cited = [...row.matchAll(/`(test\/[\w/-]+\.test\.ts)`(?: "([^"]+)")?/g)]
    expect(cited.length).toBeGreaterThan(0)
    for (const [, file = '', title] of cited) {
      expect(existsSync(join(ROOT, file)), file).toBe(true)
      if (title !== undefined) expect(readFileSync(join(ROOT, file), 'utf8')).toContain(title)
    }
  })
})
