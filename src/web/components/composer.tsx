/**
 * The field to write in: grows with its text, keeps a draft, sends with Enter. While an answer runs it also stops it.
 * What sending means is told from outside: a first message makes a conversation, the others go into one.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { MAX_CONTENT_CHARS } from '../../protocol/limits.ts'
import { readDraft, writeDraft } from '../drafts.ts'
import { memo } from '../memo.ts'
import { ArrowUpIcon, StopIcon } from './icons.tsx'

interface ComposerProps {
  /** The conversation that the draft belongs to; null for a new one. */
  readonly draftKey: string | null
  readonly runningTurnId: string | null
  readonly isBusy?: boolean
  /** Returning false, or a promise of it, keeps the text. */
  readonly onSend: (text: string) => void | Promise<boolean>
  readonly onStop?: (turnId: string) => void
  readonly onTyping?: (active: boolean) => void
}

/** The counter appears when this much of the limit is used. */
const COUNT_FROM = 0.9 * MAX_CONTENT_CHARS

export const Composer = memo(function Composer(props: ComposerProps) {
  const { draftKey, runningTurnId, isBusy = false, onSend, onStop, onTyping } = props
  const [text, setText] = useState(() => readDraft(draftKey))
  const field = useRef<HTMLTextAreaElement>(null)
  const isTooLong = text.length > MAX_CONTENT_CHARS
  const canSend = text.trim() !== '' && !isTooLong && !isBusy

  useLayoutEffect(() => {
    const fit = () => {
      const element = field.current
      if (!element) return
      element.style.height = 'auto'
      element.style.height = `${element.scrollHeight}px`
    }
    fit()
    // Lines break elsewhere in a window of another width, such as a phone that was turned.
    addEventListener('resize', fit)
    return () => removeEventListener('resize', fit)
  }, [text])

  useEffect(() => {
    // On a touch screen this would open the keyboard over what one came to read.
    if (matchMedia('(hover: hover)').matches) field.current?.focus()
  }, [])

  const change = (next: string) => {
    setText(next)
    writeDraft(draftKey, next)
    onTyping?.(next !== '')
  }
  const send = async () => {
    if (!canSend) return
    // What the protocol refuses, and nobody can have meant.
    const sent = onSend(text.toWellFormed().replaceAll('\0', ''))
    if (sent && !(await sent)) return
    setText('')
    writeDraft(draftKey, '')
  }

  return (
    <form
      class="composer"
      id="composer"
      tabIndex={-1}
      onFocus={(event) => {
        if (event.target === event.currentTarget) field.current?.focus()
      }}
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      <label class="visually-hidden" for="message-field">
        Your message
      </label>
      <textarea
        ref={field}
        id="message-field"
        rows={1}
        placeholder="Message Parley"
        autocomplete="off"
        enterkeyhint="send"
        aria-describedby={isTooLong ? 'message-count' : undefined}
        aria-invalid={isTooLong}
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
        onBlur={() => onTyping?.(false)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
          event.preventDefault()
          void send()
        }}
      />
      <div class="composer-foot">
        {text.length > COUNT_FROM ? (
          <span id="message-count" class={isTooLong ? 'count over' : 'count'} role="status">
            {text.length.toLocaleString()} of {MAX_CONTENT_CHARS.toLocaleString()} characters
          </span>
        ) : (
          <span class="hint">
            <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> breaks the line
            {runningTurnId !== null && (
              <>
                , <kbd>Esc</kbd> stops
              </>
            )}
          </span>
        )}
        {runningTurnId !== null && (
          <button
            type="button"
            class="round-button stop"
            aria-label="Stop the answer"
            title="Stop the answer"
            onClick={() => onStop?.(runningTurnId)}
          >
            <StopIcon />
          </button>
        )}
        <button
          type="submit"
          class="round-button send"
          aria-label="Send"
          title="Send"
          disabled={!canSend}
          aria-busy={isBusy}
        >
          <ArrowUpIcon />
        </button>
      </div>
    </form>
  )
})
