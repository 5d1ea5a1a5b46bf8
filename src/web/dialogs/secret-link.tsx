/**
 * A link that is shown this one time, with a button that copies it. The server keeps only its hash, so it cannot be shown
 * again, and that is said.
 */
import { useEffect, useRef } from 'preact/hooks'
import { CopyButton } from '../components/copy-button.tsx'

interface SecretLinkProps {
  readonly label: string
  readonly url: string
}

export function SecretLink({ label, url }: SecretLinkProps) {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.select(), [url])
  return (
    <div class="secret" role="status">
      <p>{label} It is shown only this once: copy it now.</p>
      <div class="secret-link">
        <input
          ref={field}
          readOnly
          value={url}
          aria-label="The link"
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyButton text={url} label="Copy the link" />
      </div>
    </div>
  )
}
