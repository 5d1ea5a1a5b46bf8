/**
 * HTML of an answer's blocks → the document. DOMPurify is the second wall behind `to-html.ts`: should a hostile answer
 * get past the first, what it brings is still nothing that runs, loads or looks like the page.
 *
 * Elements are kept and their text appended to, instead of being replaced, so that selected text stays selected and a
 * button can be pressed while the answer grows.
 */
import DOMPurify from 'dompurify'
import { MarkdownBlocks } from './to-html.ts'

const BLOCK_TAGS = [
  'p',
  'br',
  'hr',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
  'blockquote',
  'ul',
  'ol',
  'li',
  'div',
]
const INLINE_TAGS = ['strong', 'em', 'del', 'a', 'code', 'pre', 'span', 'button']
const TABLE_TAGS = ['table', 'thead', 'tbody', 'tr', 'th', 'td']

const ALLOWED = {
  ALLOWED_TAGS: [...BLOCK_TAGS, ...INLINE_TAGS, ...TABLE_TAGS],
  ALLOWED_ATTR: ['href', 'title', 'target', 'rel', 'align', 'start', 'class', 'type', 'tabindex'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Every other attribute would have to be such an address, too.
  ADD_URI_SAFE_ATTR: ['target', 'rel', 'align', 'start', 'type', 'tabindex'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
}

/** Shows a growing text in one element, whose content belongs to it alone. */
export class MarkdownView {
  readonly #host: HTMLElement
  readonly #blocks = new MarkdownBlocks()
  #shown: string[] = []

  constructor(host: HTMLElement) {
    this.#host = host
  }

  update(text: string): void {
    const blocks = this.#blocks.update(text)
    for (const [index, html] of blocks.entries()) {
      if (this.#shown[index] === html) continue
      const fresh = document.createElement('div')
      fresh.append(DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true }))
      const old = this.#host.children[index]
      if (old) morph(old, fresh)
      else this.#host.append(fresh)
    }
    while (this.#host.children.length > blocks.length) this.#host.lastElementChild?.remove()
    this.#shown = blocks
  }
}

/** Makes the content of `old` equal to that of `fresh`, keeping what is equal. Takes from `fresh` what is new. */
export function morph(old: Element, fresh: Element): void {
  const wanted = [...fresh.childNodes]
  for (const [index, node] of wanted.entries()) {
    const current = old.childNodes[index]
    if (!current) old.append(node)
    else if (current instanceof Text && node instanceof Text) morphText(current, node.data)
    else if (current instanceof Element && node instanceof Element && isSameKind(current, node))
      morph(current, node)
    else current.replaceWith(node)
  }
  while (old.childNodes.length > wanted.length) old.lastChild?.remove()
}

function morphText(node: Text, data: string): void {
  if (node.data === data) return
  // Appending keeps a selection in the text before.
  if (data.startsWith(node.data)) node.appendData(data.slice(node.data.length))
  else node.data = data
}

/** The same element with the same attributes; only the content may differ. */
function isSameKind(a: Element, b: Element): boolean {
  if (a.tagName !== b.tagName || a.attributes.length !== b.attributes.length) return false
  return [...b.attributes].every(({ name, value }) => a.getAttribute(name) === value)
}
