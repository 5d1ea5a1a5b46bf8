/**
 * What a conversation is called until someone gives it a better title: the first words of what was asked in it. Later
 * words do not change it, and neither does another branch.
 */

/** What fits into a list beside its neighbours. */
const TITLE_CHARS = 60

/** Cut at a word, and never inside a surrogate pair. */
export function titleFrom(content: string): string {
  const line = content.replace(/\s+/g, ' ').trim()
  if (line.length <= TITLE_CHARS) return line
  const cut = line.slice(0, TITLE_CHARS).replace(/\s+\S*$/, '')
  return `${cut.toWellFormed().replace(/\uFFFD$/, '')}…`
}
