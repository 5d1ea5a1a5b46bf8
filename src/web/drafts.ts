/**
 * What was typed and not sent, by conversation, for as long as the tab lives: going to look something up in another
 * conversation must not cost a paragraph. Messages that were sent are the client library's to keep.
 */
const keyOf = (conversationId: string | null) => `parley.draft.${conversationId ?? 'new'}`

export function readDraft(conversationId: string | null): string {
  try {
    return sessionStorage.getItem(keyOf(conversationId)) ?? ''
  } catch {
    return ''
  }
}

export function writeDraft(conversationId: string | null, text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(keyOf(conversationId))
    else sessionStorage.setItem(keyOf(conversationId), text)
  } catch {
    // Storage is denied or full: the draft lasts as long as the page.
  }
}

/** What was typed or not yet acknowledged here is not for the next person at this machine. */
export function forgetUnsent(): void {
  try {
    const keys = Array.from({ length: sessionStorage.length }, (_, index) => sessionStorage.key(index) ?? '')
    const unsent = keys.filter((key) => /^parley\.(draft|pending)\./.test(key))
    for (const key of unsent) sessionStorage.removeItem(key)
  } catch {
    // Storage is denied: nothing is kept there.
  }
}
