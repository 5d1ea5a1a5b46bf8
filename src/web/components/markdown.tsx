/**
 * A text as Markdown, in an element that only the view touches. A growing text that has become slow to show is shown
 * less often, so that the page stays quick however long the answer is.
 */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { copyText } from '../clipboard.ts'
import { MarkdownView } from '../markdown/to-dom.ts'

interface MarkdownProps {
  readonly text: string
  readonly isGrowing: boolean
}

/** After showing for T ms, the next time is not before this many T have passed: a quarter of the time at most. */
const REST_FACTOR = 3

/** Faster than this is never held back. */
const QUICK_MS = 5

const COPIED_MS = 1_600

export function Markdown({ text, isGrowing }: MarkdownProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<MarkdownView | null>(null)
  const restUntil = useRef(0)

  useLayoutEffect(() => {
    if (!host.current) return
    const shown = (view.current ??= new MarkdownView(host.current))
    const show = () => {
      const start = performance.now()
      shown.update(text)
      const end = performance.now()
      restUntil.current = end - start > QUICK_MS ? end + (end - start) * REST_FACTOR : 0
    }
    const rest = restUntil.current - performance.now()
    if (!isGrowing || rest <= 0) return show()
    const timer = setTimeout(show, rest)
    return () => clearTimeout(timer)
  }, [text, isGrowing])

  return <div class="markdown" ref={host} onClick={(event) => void copyCode(event.target)} />
}

/** The buttons of code blocks come with the text, so one listener serves them all. */
async function copyCode(target: EventTarget | null): Promise<void> {
  const button = target instanceof Element ? target.closest('.code-copy') : null
  const code = button?.closest('.code')?.querySelector('code')?.textContent
  if (!button || code === undefined) return
  button.textContent = (await copyText(code.replace(/\n$/, ''))) ? 'Copied' : 'Failed'
  setTimeout(() => (button.textContent = 'Copy'), COPIED_MS)
}
