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
