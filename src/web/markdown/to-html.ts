/**
 * Markdown of an answer → HTML, block by block. An answer is untrusted: HTML in it is text like any other, links go only
 * to the web or to a mailbox, and pictures are not loaded but linked. `to-dom.ts` sanitises the result once more.
 *
 * Blocks (paragraphs, lists, code) that have not changed keep their HTML, so that a growing answer costs per block.
 */
import { Marked, type Token, type Tokens, type TokensList } from 'marked'

/** In a paragraph longer than this, `*`, `_` and `~` stay what they are. */
const MAX_EMPHASIS_CHARS = 6_000

const marked = new Marked({ gfm: true, breaks: true })

marked.use({
  tokenizer: {
    // Both are found in quadratic time. No paragraph of people is that long.
    emStrong: (_, paragraph) => (paragraph.length > MAX_EMPHASIS_CHARS ? undefined : false),
    del: (_, paragraph) => (paragraph.length > MAX_EMPHASIS_CHARS ? undefined : false),
    // Without HTML tokens, "<" is an ordinary character, which the renderer escapes.
    html: () => undefined,
    tag: () => undefined,
  },
  renderer: {
    // Cannot be reached, since nothing makes such tokens. Should a new version find a way, they are text.
    html: ({ text }) => escape(text),
    link({ href, title, tokens }) {
      const content = this.parser.parseInline(tokens)
      const url = safeUrl(href)
      return url ? anchor(url, content, title) : `${content} (${escape(href)})`
    },
    image({ href, title, text }) {
      const url = safeUrl(href)
      const name = escape(text || title || 'picture')
      return url ? anchor(url, `${name} ↗`, title) : `${name} (${escape(href)})`
    },
    code({ text, lang }) {
      const language = /^[\w.#+-]{1,24}/.exec(lang ?? '')?.[0] ?? ''
      return (
        `<div class="code"><div class="code-bar"><span>${escape(language || 'code')}</span>` +
        `<button type="button" class="code-copy">Copy</button></div>` +
        `<pre tabindex="0"><code>${escape(text)}\n</code></pre></div>`
      )
    },
    table({ header, rows }) {
      const cells = (row: Tokens.TableCell[]) => row.map((cell) => this.tablecell(cell)).join('')
      const body = rows.map((row) => `<tr>${cells(row)}</tr>`).join('')
      // A wide table scrolls in its own box; the page never does.
      return `<div class="table" tabindex="0"><table><thead><tr>${cells(header)}</tr></thead><tbody>${body}</tbody></table></div>`
    },
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
})

/** One block of an answer: its source, and the HTML of it. */
interface Block {
  readonly source: string
  readonly html: string
}

/**
 * The blocks of a text that grows. Only what may still change is read again: what is appended can alter the last block,
 * or the one before where the two may yet join, but none that lies further back.
 */
export class MarkdownBlocks {
  #text = ''
  #blocks: readonly Block[] = []
  #links = '{}'

  /** @returns one piece of HTML for each block; a piece that did not change is the same string */
  update(text: string): string[] {
    const settled =
      text.startsWith(this.#text) && this.#links === '{}' ? this.#blocks.slice(0, -UNSETTLED) : []
    const from = settled.reduce((length, block) => length + block.source.length, 0)
    const tokens = lex(text.slice(from))
    this.#links = JSON.stringify(tokens.links)
    // A definition changes what was said before it, so then everything is read again.
    if (this.#links !== '{}' && from > 0) {
      this.#text = ''
      return this.update(text)
    }
    const known = new Map(this.#blocks.map((block) => [block.source, block.html]))
    const tail = tokens.map((token) => {
      const html = this.#links === '{}' ? known.get(token.raw) : undefined
      return { source: token.raw, html: html ?? parse(token) }
    })
    const length = tail.reduce((sum, block) => sum + block.source.length, from)
    // Should the sources not add up to the text, offsets cannot be counted, and the next call reads everything again.
    this.#text = length === text.length ? text : '\uFFFF'
    this.#blocks = [...settled, ...tail]
    return this.#blocks.flatMap((block) => (block.html === '' ? [] : [block.html]))
  }
}

/** Blocks at the end, blank lines included, that what follows may still change. */
const UNSETTLED = 4

/** Nesting that is deeper than any reader's patience can exhaust the stack; then the text is shown as it is. */
function lex(text: string): TokensList {
  try {
    return marked.lexer(text)
  } catch {
    const token: Tokens.Code = { type: 'code', raw: text, text }
    return Object.assign([token as Token], { links: {} })
  }
}

function parse(token: Token): string {
  try {
    return token.type === 'space' ? '' : marked.parser([token])
  } catch {
    return `<p>${escape(token.raw)}</p>`
  }
}

/** @returns the address if it may be linked: `http:`, `https:` or `mailto:`, spelt out in full */
function safeUrl(href: string): string | null {
  // Browsers drop control characters and blanks from addresses, which hides a scheme from a simple comparison.
  if (!URL.canParse(href)) return null
  const url = new URL(href)
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null
}

function anchor(url: string, content: string, title: string | null | undefined): string {
  const hint = title ? ` title="${escape(title)}"` : ''
  return `<a href="${escape(url)}"${hint} target="_blank" rel="noopener noreferrer nofollow">${content}</a>`
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
