/**
 * What the offline provider says: fixed words around a quotation of the person, and how to plug in a model.
 *
 * No sentence pretends to be an answer, because nothing here understands the question. It is Markdown with a list and a
 * code block, so that a newcomer sees what the page can do. Streaming it is offline.ts's.
 */

/** Longest quotation, in UTF-16 code units; enough to recognise one's own message. */
const MAX_QUOTE_CHARS = 400

/** Long enough (about half a minute at the default pace) to try stop, reload and a second window by hand. */
const LONG_ANSWER_LINES = 120

/** @param said the last message of the person */
export function offlineAnswer(said: string): string {
  if (/\blong\b/i.test(said)) return longAnswer()
  const greeting = /^\W*(hi|hello|hey|help|good (morning|afternoon|evening))\b/i.test(said)
  const opening = greeting
    ? 'Hello! Parley is running, and I am its **offline** stand-in: no language model is connected yet.'
    : `You said:\n\n${quote(said)}\n\nParley is **offline**: no language model is connected, so I cannot answer that, and I will not make something up.`
  return `${opening}\n\n${HOW_TO_CONNECT}`
}

const HOW_TO_CONNECT = `To get real answers, put one of these into \`.dev.vars\`, in the folder where you started Parley, and start it again:

- \`OPENAI_API_KEY\`: a key for OpenAI
- \`OPENAI_BASE_URL\`: the address of any server that speaks OpenAI's chat completions, such as one on your own machine; most of those need no key

\`\`\`ini
# .dev.vars
OPENAI_BASE_URL=http://localhost:11434/v1
OPENAI_MODEL=llama3.2
\`\`\`

Everything else works as it will then: open this conversation in a second window, reload in mid-sentence, or ask me to *write something long* and press stop.
`

function longAnswer(): string {
  const lines = Array.from(
    { length: LONG_ANSWER_LINES },
    (_, index) =>
      `${index + 1}. This is line ${index + 1} of ${LONG_ANSWER_LINES}: stop me, reload, or close the window and come back.`,
  )
  return `I am **offline**, so here is something long that needs no language model:\n\n${lines.join('\n')}\n\nThat was all of it.\n`
}

/** As a block quotation: whatever Markdown the person wrote ends with it. */
function quote(said: string): string {
  const text = said.trim()
  const cut =
    text.length > MAX_QUOTE_CHARS
      ? `${text.slice(0, MAX_QUOTE_CHARS).replace(/[\uD800-\uDBFF]$/, '')}…`
      : text
  return cut
    .split(/\r\n|\r|\n/)
    .map((line) => `> ${line}`.trimEnd())
    .join('\n')
}
