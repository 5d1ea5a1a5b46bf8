/**
 * The page before a conversation exists: what this is, a few things to ask, and the field to ask in.
 * Nothing is made on the server until something is asked, so a visit leaves no empty conversation behind.
 */
import { useEffect } from 'preact/hooks'
import type { AppModel } from '../app-model.ts'
import { useStore } from '../store.ts'
import { Composer } from './composer.tsx'
import { Logo } from './icons.tsx'
import { MenuButton } from './menu-button.tsx'

const EXAMPLES = [
  { title: 'Explain something', prompt: 'Explain how a hash map works, with a short example in Python.' },
  { title: 'Plan a trip', prompt: 'Plan a weekend in Lisbon on foot, for two people who like good food.' },
  { title: 'Find the words', prompt: 'Write a friendly email that asks for two more days for a report.' },
  { title: 'Compare', prompt: 'Compare SQLite and PostgreSQL in a table, and say when to use which.' },
] as const

export function NewConversation({ model }: { readonly model: AppModel }) {
  const { starting } = useStore(model)
  useEffect(() => {
    document.title = 'Parley'
  }, [])

  return (
    <section class="conversation" aria-label="New conversation">
      <header class="bar">
        <MenuButton model={model} />
      </header>
      <div class="scroller">
        <div class="welcome">
          <Logo size={44} />
          <h1>What shall we talk about?</h1>
          <p>Talk to an AI in a room that never loses a word: close the tab, come back, read on.</p>
          <ul class="examples">
            {EXAMPLES.map(({ title, prompt }) => (
              <li key={title}>
                <button
                  type="button"
                  disabled={starting}
                  onClick={() => void model.startConversation(prompt)}
                >
                  <b>{title}</b>
                  <span>{prompt}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      </div>
      <div class="dock">
        <Composer
          draftKey={null}
          runningTurnId={null}
          isBusy={starting}
          onSend={(text) => model.startConversation(text)}
        />
      </div>
    </section>
  )
}
