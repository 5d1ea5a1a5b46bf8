/**
 * Markdown of an answer → HTML, block by block. An answer is untrusted: HTML in it is text like any other, links go only
 * to the web or to a mailbox, and pictures are not loaded but linked. `to-dom.ts` sanitises the result once more.
 *
 * Blocks (paragraphs, lists, code) that have not changed keep their HTML, so that a growing answer costs per block.
 */
import { Marked, type Token, type Tokens, type TokensList } from 'marked'

const marked = new Marked({ gfm: true, breaks: true })

marked.use({
  tokenizer: {
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
        `<div class="code"><div class="code-bar"><span>${escape(language || 'text')}</span>` +
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

/** HTML of blocks that were seen before, by their source. One for each answer. */
export type BlockCache = Map<string, string>

/**
 * @param cache filled with the blocks of `text`, and emptied of all others
 * @returns one piece of HTML for each block, in order
 */
export function markdownToBlocks(text: string, cache: BlockCache = new Map()): string[] {
  const tokens = lex(text)
  const links = Object.keys(tokens.links).length > 0 ? JSON.stringify(tokens.links) : ''
  const before = new Map(cache)
  cache.clear()
  const blocks: string[] = []
  for (const token of tokens) {
    if (token.type === 'space' || token.type === 'def') continue
    // What a reference links to may be said further down, so it belongs to the source of every block.
    const source = links + token.raw
    const html = before.get(source) ?? parse(token)
    cache.set(source, html)
    blocks.push(html)
  }
  return blocks
}

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
    return marked.parser([token])
  } catch {
    return `<p>${escape(token.raw)}</p>`
  }
}

/** @returns the address if it may be linked: `http:`, `https:` or `mailto:`, spelt out in full */
function safeUrl(href: string): string | null {
  // Browsers drop control characters and blanks from addresses, which hides a scheme from a simple comparison.
  const url = URL.parse(href)
  return url && ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null
}

function anchor(url: string, content: string, title: string | null | undefined): string {
  const hint = title ? ` title="${escape(title)}"` : ''
  return `<a href="${escape(url)}"${hint} target="_blank" rel="noopener noreferrer nofollow">${content}</a>`
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
