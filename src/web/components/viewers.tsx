/**
 * Who has the conversation open: one mark for each person, with the number of their windows where it is not one.
 * For screen readers it is one sentence, since a row of initials says nothing.
 */
import type { Viewer } from '../../protocol/message.ts'

interface ViewersProps {
  readonly viewers: readonly Viewer[]
  readonly you: string | undefined
}

/** Marks that fit beside a title; the others are counted. */
const MAX_MARKS = 4

/** Distinguishable tints, defined in the style sheet as `tint-0` and so on. */
const TINTS = 6

export function Viewers({ viewers, you }: ViewersProps) {
  if (viewers.length === 0) return null
  const names = viewers.map((viewer) => describe(viewer, you)).join('; ')
  const shown = viewers.slice(0, MAX_MARKS)
  const more = viewers.length - shown.length
  const tints = tintsOf(shown)
  return (
    <div class="viewers" role="img" aria-label={`Here now: ${names}`} title={`Here now: ${names}`}>
      {shown.map((viewer, index) => (
        <span key={viewer.userId} class={`viewer tint-${tints[index]}`}>
          {initials(viewer.name)}
          {viewer.connections > 1 && <b class="windows">{viewer.connections}</b>}
        </span>
      ))}
      {more > 0 && <span class="viewer more">+{more}</span>}
    </div>
  )
}

function describe({ userId, name, connections }: Viewer, you: string | undefined): string {
  const who = userId === you ? `${name} (you)` : name
  return connections > 1 ? `${who}, in ${connections} windows` : who
}

/** Of the first two words, by whole characters. */
function initials(name: string): string {
  const words = (name.trim() || '?').split(/\s+/).slice(0, 2)
  return words.map((word) => String.fromCodePoint(word.codePointAt(0) ?? 0x3f).toUpperCase()).join('')
}

/** Each has their own; of two who would have the same, the later gets the next that is free. */
function tintsOf(viewers: readonly Viewer[]): number[] {
  const taken: number[] = []
  for (const { userId } of viewers) {
    let tint = tintOf(userId)
    while (taken.includes(tint)) tint = (tint + 1) % TINTS
    taken.push(tint)
  }
  return taken
}

function tintOf(userId: string): number {
  let hash = 0
  for (const character of userId) hash = (hash * 31 + character.charCodeAt(0)) % 9973
  return hash % TINTS
}
