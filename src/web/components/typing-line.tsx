/**
 * Who is typing, of the others. Its place is always kept, so that nothing jumps when somebody begins;
 * who has stopped is the client library's to know.
 */
import type { Typist } from '../../client/index.ts'

export function TypingLine({ typing }: { readonly typing: readonly Typist[] }) {
  return (
    <p class="typing-line" aria-live="polite">
      {typing.length > 0 && (
        <>
          <span class="dots" aria-hidden="true" />
          {sentence(typing.map((who) => who.name))}
        </>
      )}
    </p>
  )
}

function sentence(names: readonly string[]): string {
  const [first = '', second = ''] = names
  if (names.length === 1) return `${first} is typing`
  if (names.length === 2) return `${first} and ${second} are typing`
  return `${first} and ${names.length - 1} others are typing`
}
