/**
 * Markdown of an answer, as far as it goes without a document: what a hostile model can bring in (nothing but text and
 * web links), and that reading a growing text piece by piece is the same as reading it whole. The sanitiser behind it is
 * proved in a browser (test/e2e/page-safety.test.ts).
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MarkdownBlocks } from '../../src/web/markdown/to-html.ts'

const html = (text: string): string => new MarkdownBlocks().update(text).join('')

const TAG = /<(\/?)([a-z][a-z0-9]*)((?: [a-z]+="[^"<>]*")*)>/g
const TAGS = new Set(
  'p br hr h1 h2 h3 h4 h5 h6 blockquote ul ol li strong em del a code pre div span button table thead tbody tr th td'.split(
    ' ',
  ),
)
const ATTRIBUTES = new Set(['href', 'title', 'target', 'rel', 'align', 'start', 'class', 'type', 'tabindex'])

/** What is in the HTML that a page should not have to render. */
function dangersIn(markup: string): string[] {
  const dangers: string[] = []
  const rest = markup.replace(TAG, (whole, _, tag: string, attributes: string) => {
    if (!TAGS.has(tag)) dangers.push(whole)
    for (const [, name = '', value = ''] of attributes.matchAll(/ ([a-z]+)="([^"]*)"/g)) {
      if (!ATTRIBUTES.has(name)) dangers.push(whole)
      if (name === 'href' && !/^(?:https?:\/\/|mailto:)/.test(value)) dangers.push(whole)
    }
    return ''
  })
  if (/[<>]/.test(rest)) dangers.push(rest)
  return dangers
}

describe('a hostile answer', () => {
  test.each([
    '<img src=x onerror=alert(1)>',
    '<script>alert(1)</script>',
    '<div><p>**bold**</p></div>',
    '<!-- comment --><style>*{display:none}</style>',
    '<![CDATA[x]]><?php x ?><!DOCTYPE html>',
    'text <b onclick="x()">b</b> text',
    '<code><img/onerror=alert(1) src=x></code>',
    '<pre>\n<img src=x onerror=alert(1)>\n</pre>',
    '- <svg onload=alert(1)>\n  - <math><mi xlink:href="data:x">',
    '> <iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '| <img src=x> | b |\n|-|-|\n| <form action=/api> | d |',
    '# <a href="javascript:alert(1)">x</a>',
  ])('%s is text, character for character', (source) => {
    const markup = html(source)
    expect(dangersIn(markup)).toEqual([])
    const shown = markup
      .replace(TAG, '')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
    for (const tag of source.match(/<[^>|]+>/g) ?? []) expect(shown).toContain(tag)
  })

  test.each([
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](&#106;avascript:alert(1))',
    '[x](java\tscript:alert(1))',
    '[x](<java\nscript:alert(1)>)',
    '[x](%6Aavascript:alert(1))',
    '[x](data:text/html;base64,PHNjcmlwdD4=)',
    '[x](vbscript:x)',
    '[x](blob:https://example.com/1)',
    '[x](file:///etc/passwd)',
    '[x](//example.com/protocol-relative)',
    '[x](/api/conversations)',
    '[x](#fragment)',
    '![x](javascript:alert(1))',
    '![x](data:image/svg+xml,<svg onload=alert(1)>)',
    '<javascript:alert(1)>',
    '[x][1]\n\n[1]: javascript:alert(1)',
  ])('%j makes no link', (source) => {
    const markup = html(source)
    expect(markup).not.toMatch(/<a|<img/)
    expect(markup).toMatch(/x|javascript/)
    expect(dangersIn(markup)).toEqual([])
  })

  test('a link to the web is one, opens elsewhere, and gives nothing away', () => {
    expect(html('[x](https://example.com/?a=1&b="2" "a \\"title\\" <b>")')).toBe(
      '<p><a href="https://example.com/?a=1&amp;b=%222%22" title="a &quot;title&quot; &lt;b&gt;" ' +
        'target="_blank" rel="noopener noreferrer nofollow">x</a></p>\n',
    )
    expect(html('me@example.com')).toContain('<a href="mailto:me@example.com"')
  })

  test('a picture is not loaded but linked', () => {
    const markup = html('![a <b> cat](https://evil.example/track.png)')
    expect(markup).not.toContain('<img')
    expect(markup).toContain('href="https://evil.example/track.png"')
    expect(markup).toContain('a &lt;b&gt; cat')
  })

  test('the language of a code block cannot break out of its label', () => {
    const markup = html('```x"><img src=x onerror=alert(1)>\ncode\n```')
    expect(dangersIn(markup)).toEqual([])
    expect(markup).toContain('<span>x</span>')
  })

  const SIGNS = [
    '<',
    '>',
    '"',
    "'",
    '&',
    '/',
    '=',
    '\\',
    '`',
    '```',
    '*',
    '**',
    '_',
    '~~',
    '[',
    ']',
    '(',
    ')',
    '!',
  ]
  const BLOCKS = ['|', '|-|', '#', '- ', '1. ', '> ', '~~~', '\n', '\n\n', '    ', '\t', ' ', '[1]: ', '[^1]']
  const TEXTS = [
    '\0',
    'a',
    'é',
    '😀',
    '\u2028',
    'javascript:',
    'data:',
    'https://a.b',
    '//',
    ':',
    'x@y.z',
    '&lt;',
    '&#60;',
  ]
  const MARKUP = [
    '<img src=x onerror=alert(1)>',
    '<script>',
    '</script>',
    '<a href="',
    '<!--',
    '-->',
    '<![CDATA[',
    '<b>',
  ]
  const piece = fc.constantFrom(...SIGNS, ...BLOCKS, ...TEXTS, ...MARKUP)

  test('nothing that can be written gets more into the page than text and web links', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        expect(dangersIn(html(pieces.join('')))).toEqual([])
      }),
      { numRuns: 3000 },
    )
  })
})

describe('a growing answer', () => {
  const PLAIN = [
    'A paragraph with **bold** and `code`.\n\n',
    'Two\nlines\n\n',
    '# Title\n\n',
    'Setext\n---\n\n',
    '---\n\n',
  ]
  const LISTS = [
    '- one\n- two\n',
    '- loose\n\n- list\n\n',
    '  - nested\n',
    '1. a\n2. b\n\n',
    '   indented\n\n',
    '> quote\n',
  ]
  const CODE = ['```js\nlet a = 1\n\nlet b\n```\n\n', '```\nopen\n\n', '```\n', '    code by indent\n\n']
  const OTHERS = [
    '| a | b |\n|---|---|\n| 1 | 2 |\n',
    '[ref] and [other][ref]\n\n',
    '[ref]: https://example.com\n\n',
    '<div>\n\n',
  ]
  const ENDS = ['text', ' ', '*', '\n', '\n\n\n']
  const block = fc.constantFrom(...PLAIN, ...LISTS, ...CODE, ...OTHERS, ...ENDS)
  const text = fc.array(block, { maxLength: 16 }).map((blocks) => blocks.join(''))

  test('read piece by piece it looks at each moment as if it were read whole', () => {
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), (whole, steps) => {
        const growing = new MarkdownBlocks()
        for (let at = 0, i = 0; at < whole.length; i++) {
          at += steps[i % steps.length] ?? 1
          const shown = whole.slice(0, at)
          expect(growing.update(shown).join('')).toBe(html(shown))
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('O4: a text that is cut back is read anew', () => {
    const growing = new MarkdownBlocks()
    const long = 'one\n\ntwo\n\nthree\n\nfour\n\nfive\n\nsix'
    growing.update(long)
    expect(growing.update('one\n\ntw')).toEqual(new MarkdownBlocks().update('one\n\ntw'))
    expect(growing.update(long.replace('two', 'TWO'))).toEqual(
      new MarkdownBlocks().update(long.replace('two', 'TWO')),
    )
  })

  test('blocks that do not change stay the same, so that only what grows is shown anew', () => {
    const growing = new MarkdownBlocks()
    const before = growing.update('one\n\ntwo\n\nthree')
    expect(growing.update('one\n\ntwo\n\nthree and more').slice(0, 2)).toEqual(before.slice(0, 2))
  })

  test('a definition further down turns a reference above into a link', () => {
    const growing = new MarkdownBlocks()
    const filler = 'filler\n\n'.repeat(10)
    expect(growing.update(`[ref]\n\n${filler}`).join('')).not.toContain('<a')
    expect(growing.update(`[ref]\n\n${filler}[ref]: https://example.com`).join('')).toContain(
      '<a href="https://example.com/"',
    )
  })
})

describe('ordinary Markdown', () => {
  test('lists, tables, code, tasks and line breaks', () => {
    expect(html('line\nbreak')).toBe('<p>line<br>break</p>\n')
    expect(html('- [x] done\n- [ ] open')).toContain('<li>☑ done</li>')
    expect(html('| a | b |\n|:-:|--:|\n| 1 | 2 |')).toContain('<td align="center">1</td>')
    expect(html('```ts\na < b\n```')).toContain('<code>a &lt; b\n</code>')
    expect(html('`<b>` & &amp;')).toBe('<p><code>&lt;b&gt;</code> &amp; &amp;</p>\n')
  })

  test('nesting beyond all reason is shown all the same', () => {
    expect(html('> '.repeat(20_000) + 'x').length).toBeGreaterThan(0)
    expect(html('['.repeat(5_000)).length).toBeGreaterThan(5_000)
  })
})
