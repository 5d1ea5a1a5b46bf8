/**
 * Says finished answers to screen readers, once each. The growing text itself is not announced: nobody can listen to
 * half sentences that change.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { textOf, type Message } from '../../protocol/message.ts'

/** Longer answers are begun; the rest can be read in the conversation. */
const MAX_SAID_CHARS = 400

export function Announcer({ messages }: { readonly messages: readonly Message[] }) {
  const streaming = useRef<string | null>(null)
  const [said, setSaid] = useState('')

  useEffect(() => {
    const writing = messages.findLast((message) => message.status === 'streaming')
    if (writing) {
      streaming.current = writing.id
      return
    }
    const ended = messages.find((message) => message.id === streaming.current)
    streaming.current = null
    if (ended) setSaid(describe(ended))
  }, [messages])

  return (
    <p class="visually-hidden" aria-live="polite">
      {said}
    </p>
  )
}

function describe(message: Message): string {
  const text = textOf(message).replace(/[`*_#>|]+/g, ' ')
  const start = text.length > MAX_SAID_CHARS ? `${text.slice(0, MAX_SAID_CHARS)}…` : text
  if (message.status === 'completed') return `Parley answered: ${start}`
  return message.status === 'stopped' ? 'The answer was stopped.' : 'The answer failed.'
}
