/**
 * A link or a key that is shown this one time, with a button that copies it. The server keeps only its hash, so it cannot
 * be shown again, and that is said.
 */
import { useEffect, useRef } from 'preact/hooks'
import { CopyButton } from '../components/copy-button.tsx'

interface SecretLinkProps {
  readonly what: 'link' | 'key' | 'secret'
  readonly label: string
  readonly text: string
}

export function SecretLink({ what, label, text }: SecretLinkProps) {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    field.current?.select()
    field.current?.scrollIntoView({ block: 'nearest' })
  }, [text])
  return (
    <div class="secret" role="status">
      <p>{label} It is shown only this once: copy it now.</p>
      <div class="secret-link">
        <input
          ref={field}
          readOnly
          value={text}
          aria-label={`The ${what}`}
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyButton text={text} label={`Copy the ${what}`} />
      </div>
    </div>
  )
}
