/**
 * The directive language of the model server: a test writes into a message how the model shall behave, so that any
 * process that can send a message can drive it.
 *
 * `[[name=value name="quoted value" flag]]` anywhere in the last user message; several blocks add up.
 *
 *   for=MODEL          the other entries of this block hold for calls of this model only
 *
 * What is said
 *   text="…"           exactly this text (a JSON string, so `\u00e9` and `\n` work)
 *   tokens=100         this many generated tokens instead; token i is a function of (seed, size, i)
 *   seed=1             of generated tokens
 *   size=4             UTF-16 code units per token; a surrogate pair is never cut, unless `halves` is given
 *   halves             cut surrogate pairs, so that two deltas hold one half each
 *   reasoning=3        this many deltas of `reasoning_content` before the text
 *   finish=length      the finish reason (`stop`)
 *   resume=exact       where the messages end with the beginning of `text`, go on after it; `tail` repeats its last 12
 *                      characters, `restate` says all of it again, as does a server that is told nothing
 *   (neither text nor tokens: "You said: " and the message without its directives)
 *
 * When
 *   first=50           milliseconds before the first token
 *   delay=10           milliseconds between tokens; 0 is as fast as the socket takes them
 *   batch=64           tokens per write when delay is 0
 *   gate=NAME          hold before token `after` (0) until `POST /control/gates/NAME/open`
 *   end-gate=NAME      hold the end of the body, after [DONE], likewise
 *
 * Faults
 *   status=429         answer with this status and an error object; `code=`, `type=`, `message=`, `retry-after=`,
 *                      `retry-after-ms=`, `x-should-retry=` fill it; with `html`, a web page instead
 *                      (of `huge` megabytes)
 *   times=2            the fault happens in the first 2 calls with this very message, then the model is well
 *   hang=before-headers | after-headers | mid | trailer      then silence; `mid` before token `after`, `trailer` after the finish reason
 *   half-json          half a line before token `after`, then the end of the body
 *   close              the connection is destroyed before token `after`
 *   end                the body ends properly before token `after`, with neither reason nor [DONE]
 *   error-in-stream    an error object (`code=`, `type=`) before token `after`, then the end of the body
 *   tool-call          half of a tool call before token `after`, then the end of the body
 *   huge=50            one event of so many megabytes before token `after`
 *   bad-bytes       bytes that are no text, in the middle of token `after`
 *   empty              a finish without any text
 *   endless            after the text, one token each `delay` (1) ms, until the client goes
 *   drip=10            one byte each 10 ms, from the first token on
 *   after=3            see above
 *   html               a web page with status 200
 *   content-type=…     says that the stream is something else
 *   json               one JSON completion although a stream was asked for
 *   no-done no-usage no-finish       leave out [DONE], the usage chunk, the finish reason
 *   split=every-byte   each byte of the body is a chunk of its own
 *   comments           a comment line before each event
 *   crlf               lines end with CR LF
 *   no-space           no space after `data:`
 *   same-id            all chunks of all calls have one id
 */

const FLAGS = [
  'halves',
  'half-json',
  'close',
  'end',
  'error-in-stream',
  'html',
  'json',
  'no-done',
  'no-usage',
  'no-finish',
  'comments',
  'tool-call',
  'bad-bytes',
  'endless',
  'no-space',
  'same-id',
  'empty',
  'crlf',
] as const

const NUMBERS = [
  'tokens',
  'seed',
  'size',
  'reasoning',
  'first',
  'delay',
  'batch',
  'after',
  'status',
  'times',
  'huge',
  'drip',
] as const

const STRINGS = [
  'text',
  'finish',
  'gate',
  'end-gate',
  'hang',
  'split',
  'code',
  'type',
  'message',
  'resume',
  'for',
  'content-type',
  'x-should-retry',
  'retry-after',
  'retry-after-ms',
] as const

type Flag = (typeof FLAGS)[number]
type NumberName = (typeof NUMBERS)[number]
type StringName = (typeof STRINGS)[number]

export type Directives = { readonly [name in Flag]?: true } & { readonly [name in NumberName]?: number } & {
  readonly [name in StringName]?: string
}

const BLOCK = /\[\[((?:"(?:[^"\\]|\\.)*"|[^"\]])*)\]\]/gs
const ENTRY = /([a-z-]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]+))?(?=\s|$)/gs

/**
 * @param model which is called, for blocks that are not for all
 * @throws Error for a name or value that means nothing: a test with a slip must not pass by accident
 */
export function parseDirectives(message: string, model?: string): Directives {
  const all: Record<string, string | number | true> = {}
  for (const [, block = ''] of message.matchAll(BLOCK)) {
    const found: Record<string, string | number | true> = {}
    const rest = block.replace(ENTRY, (_, name: string, raw: string | undefined) => {
      found[name] = readValue(name, raw)
      return ''
    })
    if (rest.trim() !== '') throw new Error(`unreadable directive: ${rest.trim()}`)
    const { for: whom, ...entries } = found
    if (whom === undefined || whom === model) Object.assign(all, entries)
  }
  return all
}

/** The message without its directives. */
export function withoutDirectives(message: string): string {
  return message.replace(BLOCK, '').replace(/\s+/g, ' ').trim()
}

function readValue(name: string, raw: string | undefined): string | number | true {
  if ((FLAGS as readonly string[]).includes(name) && raw === undefined) return true
  if (raw !== undefined) {
    const value = raw.startsWith('"') ? (JSON.parse(raw) as string) : raw
    if ((STRINGS as readonly string[]).includes(name)) return value
    if ((NUMBERS as readonly string[]).includes(name) && /^\d+$/.test(value)) return Number(value)
  }
  throw new Error(`unknown directive: ${name}${raw === undefined ? '' : `=${raw}`}`)
}
