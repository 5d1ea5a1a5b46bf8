/**
 * What a hostile model, or a hostile title, can do to the page in a real Chromium: nothing. Wall by wall: HTML is text, the
 * sanitiser behind it, and the security policy behind both.
 */
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { screenshot } from '../support/browser.ts'
import { PageSuite } from '../support/page-suite.ts'
import type { MarkdownView } from '../../src/web/markdown/to-dom.ts'

declare global {
  interface Window {
    View: typeof MarkdownView
  }
}

const suite = new PageSuite()

/** `to-dom.ts` as it is, behind a first wall that lets everything through. */
async function viewWithoutFirstWall(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: "import { MarkdownView } from './src/web/markdown/to-dom.ts'; window.View = MarkdownView",
      resolveDir: join(import.meta.dirname, '../..'),
    },
    bundle: true,
    write: false,
    plugins: [
      {
        name: 'no-first-wall',
        setup(plugin) {
          plugin.onLoad({ filter: /to-html\.ts$/ }, () => ({
            contents: 'export class MarkdownBlocks { update(html) { return html === "" ? [] : [html] } }',
          }))
        },
      },
    ],
  })
  return outputFiles[0]?.text ?? ''
}

const UNSANITISED = [
  '<img src=x onerror="window.hacked=1">',
  '<script>window.hacked=2</script><p>text</p>',
  '<svg><script>window.hacked=3</script><a xlink:href="javascript:window.hacked=4">x</a></svg>',
  '<a href="javascript:window.hacked=5" onclick="window.hacked=6">x</a>',
  '<a href=" &#1;java&Tab;script:window.hacked=7">x</a><a href="data:text/html,x">y</a>',
  '<math><mi><style><img src=x onerror=window.hacked=8></style></mi></math>',
  '<form action="/api/auth/guest"><input name="x"><textarea>y</textarea></form>',
  '<iframe srcdoc="<script>parent.hacked=9</script>"></iframe><object data="x"></object><embed src="x">',
  '<p style="position:fixed;inset:0" id="app" name="body" data-x="1" aria-label="x">over the page</p>',
  '<template><img src=x onerror=window.hacked=10></template><link rel=stylesheet href=//evil.example/x.css><base href=//evil.example/>',
  '<noscript><p title="</noscript><img src=x onerror=window.hacked=11>"></noscript>',
  '<video src=x onerror=window.hacked=12><source onerror=window.hacked=13></video><audio autoplay src=x></audio>',
]

describe('a hostile answer', () => {
  const HOSTILE = [
    '<img src=x onerror="window.hacked=1"> <script>window.hacked=2</script>',
    '<svg onload="window.hacked=3"><style>body{display:none}</style>',
    '[a](javascript:window.hacked=4) [b](JaVaScRiPt:window.hacked=5) [c](data:text/html;base64,PHNjcmlwdD4=) [d](vbscript:x)',
    '![picture](https://evil.example/track.png) ![x](x" onerror="window.hacked=6)',
    '<a href="javascript:window.hacked=7">e</a> <iframe srcdoc="<script>parent.hacked=8</script>"></iframe>',
    '[f][ref] <javascript:window.hacked=9>',
    '```html"><img src=x onerror=window.hacked=10>\n<b>code</b>\n```',
    '| <img src=x onerror=window.hacked=11> |\n|-|\n| <form action=/api><input name=x></form> |',
    '[ref]: javascript:window.hacked=12 "title"',
    '[safe](https://example.com/?a=1&b="2")',
  ].join('\n\n')

  test('shows as text: nothing of it runs, loads, or becomes part of the page', async () => {
    const chat = await suite.open()
    await chat.begin(`Attack [[text=${JSON.stringify(HOSTILE)} delay=1]]`)
    await chat.ends('completed')
    const answer = chat.answers.locator('.markdown')
    const text = await answer.innerText()
    for (const shown of [
      '<img src=x onerror="window.hacked=1">',
      '<script>window.hacked=2</script>',
      '<iframe srcdoc=',
      '<b>code</b>',
    ]) {
      expect(text).toContain(shown)
    }
    expect(
      await answer.locator('img, script, svg, style, iframe, form, input, object, embed, link, meta').count(),
    ).toBe(0)
    const attributes = await answer.evaluate((root) =>
      [...root.querySelectorAll('*')].flatMap((element) => [...element.attributes].map(({ name }) => name)),
    )
    expect(attributes.filter((name) => name.startsWith('on') || name === 'style' || name === 'src')).toEqual(
      [],
    )
    const links = await answer
      .locator('a')
      .evaluateAll((all) =>
        all.map((link) => [link.getAttribute('href'), link.getAttribute('rel'), link.getAttribute('target')]),
      )
    const safe = ['noopener noreferrer nofollow', '_blank']
    expect(links).toEqual([
      ['https://evil.example/track.png', ...safe],
      ['https://example.com/?a=1&b=%222%22', ...safe],
    ])
    expect(await chat.page.evaluate(() => 'hacked' in window)).toBe(false)
    await screenshot(chat.page, 'hostile')
  })

  test('also as a title and as a question', async () => {
    const attack = '<img src=x onerror="window.hacked=1"><b>bold</b>'
    const chat = await suite.open()
    await chat.begin(attack)
    await chat.ends('completed')
    expect(await chat.questions.locator('.bubble').innerText()).toBe(attack)
    await chat.list.getByRole('link', { name: attack }).waitFor()
    expect(await chat.page.locator('main img, main b, nav img').count()).toBe(0)
    expect(await chat.page.evaluate(() => 'hacked' in window)).toBe(false)
  })

  test('the security policy holds where everything else failed', async () => {
    const attacked = await suite.newPerson()
    const page = await attacked.open()
    const breaches = await page.evaluate(async () => {
      const expected = 4
      const seen = new Set<string>()
      const all = new Promise<void>((resolve) => {
        addEventListener('securitypolicyviolation', (event) => {
          if (seen.add(event.effectiveDirective).size === expected) resolve()
        })
      })
      const { body } = document
      const script = document.createElement('script')
      const attempts = [
        () => body.insertAdjacentHTML('beforeend', '<b>x</b>'),
        () => script.setAttribute('src', 'https://evil.example/x.js'),
        () =>
          body.append(Object.assign(document.createElement('img'), { src: 'https://evil.example/x.png' })),
        () => body.append(Object.assign(document.createElement('iframe'), { src: 'https://evil.example/' })),
        () => void fetch('https://evil.example/').catch(() => {}),
      ]
      for (const attempt of attempts) {
        try {
          attempt()
        } catch {
          // Refused at once; the event tells the rest.
        }
      }
      await all
      return [...seen].toSorted()
    })
    await attacked.leave()
    expect(breaches).toEqual(['connect-src', 'frame-src', 'img-src', 'require-trusted-types-for'])
  })

  test('the sanitiser alone keeps out what the first wall would have to let through', async () => {
    const page = await suite.person.context.newPage()
    await page.addScriptTag({ content: await viewWithoutFirstWall() })
    for (const markup of UNSANITISED) {
      const left = await page.evaluate((html) => {
        const host = document.createElement('div')
        document.body.append(host)
        new window.View(host).update(html)
        const elements = [...host.querySelectorAll('*')]
        return {
          tags: elements
            .map((element) => element.localName)
            .filter((name) => !['div', 'p', 'a', 'b', 'span'].includes(name)),
          attributes: elements.flatMap((element) =>
            [...element.attributes].map(({ name, value }) => `${name}=${value}`),
          ),
        }
      }, markup)
      expect(left.tags, markup).toEqual([])
      expect(
        left.attributes.filter((text) => !/^(?:href=https:|title=|class=)/.test(text)),
        markup,
      ).toEqual([])
    }
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
  })

  test('what grows is changed in place and comes out as if it were new', async () => {
    const page = await suite.person.context.newPage()
    await page.addScriptTag({ content: await viewWithoutFirstWall() })
    const steps = [
      '<p>Hel</p>',
      '<p>Hello <em>wo</em></p>',
      '<p>Hello <em>world</em> and</p>',
      '<ul><li>one</li></ul>',
      '<ul><li>one</li><li>two <code>x</code></li></ul>',
      '<ul><li title="t">one</li></ul>',
      '<p>cut</p>',
      '',
    ]
    const seen = await page.evaluate((steps) => {
      const host = document.createElement('div')
      document.body.append(host)
      const view = new window.View(host)
      return steps.map((html) => {
        const first = host.querySelector('p, ul')
        view.update(html)
        return { html: host.innerHTML, kept: first !== null && host.contains(first) }
      })
    }, steps)
    expect(seen.map(({ html }) => html)).toEqual(
      steps.map((html) => (html === '' ? '' : `<div>${html}</div>`)),
    )
    expect(seen.map(({ kept }) => kept)).toEqual([false, true, true, false, true, true, false, false])
  })
})
