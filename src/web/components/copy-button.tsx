/**
 * Copies a text and says so for a moment, to eyes and to screen readers.
 * The buttons in code blocks are not this one: they come with the text and are served by `markdown.tsx`.
 */
import { useEffect, useState } from 'preact/hooks'
import { copyText } from '../clipboard.ts'
import { CheckIcon, CopyIcon } from './icons.tsx'

const SHOWN_MS = 1_600

export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [copied])

  return (
    <button
      type="button"
      class="icon-button small"
      aria-label={copied ? 'Copied' : label}
      title={copied ? 'Copied' : label}
      onClick={() => void copyText(text).then(setCopied)}
    >
      {copied ? <CheckIcon size={15} /> : <CopyIcon size={15} />}
    </button>
  )
}
