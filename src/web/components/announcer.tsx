/**
 * Says finished answers to screen readers, once each. The growing text itself is not announced: nobody can listen to
 * half sentences that change.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { textOf, type Message } from '../../protocol/message.ts'

/** Longer answers are begun; the rest can be read in the conversation. */
const MAX_SAID_CHARS = 400

interface AnnouncerProps {
  readonly messages: readonly Message[]
  /** Something was sent, and the server has not said yet that it has it. */
  readonly isSending: boolean
}

export function Announcer({ messages, isSending }: AnnouncerProps) {
  const streaming = useRef<string | null>(null)
  /** What was sent may be answered before the next frame: then nobody here sees it being written. */
  const expected = useRef(false)
  const [said, setSaid] = useState('')

  useEffect(() => {
    const writing = messages.findLast((message) => message.status === 'streaming')
    if (writing) streaming.current = writing.id
    if (isSending) expected.current = true
    if (writing || isSending) return
    const last = messages.at(-1)
    const answer = expected.current && last?.role === 'assistant' ? last : null
    const ended = messages.find((message) => message.id === streaming.current) ?? answer
    streaming.current = null
    if (!ended) return
    expected.current = false
    setSaid(describe(ended))
  }, [messages, isSending])

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
