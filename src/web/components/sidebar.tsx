/**
 * The conversations, newest activity first, under headings of time; more are read when the end comes into view.
 * On a narrow screen the style sheet makes it a drawer. What is in the list is `conversation-list.ts`.
 */
import { Fragment } from 'preact'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Conversation } from '../../protocol/message.ts'
import type { AppModel } from '../app-model.ts'
import { period } from '../dates.ts'
import { errorText } from '../error-text.ts'
import { useStore } from '../store.ts'
import { onWayBack } from '../way-back.ts'
import { AccountCorner } from './account-corner.tsx'
import { ConversationItem } from './conversation-item.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import { CloseIcon, Logo, PlusIcon } from './icons.tsx'
import { ThemeToggle } from './theme-toggle.tsx'
import { useInView } from './use-in-view.ts'

interface SidebarProps {
  readonly model: AppModel
  readonly current: string | null
}

export function Sidebar({ model, current }: SidebarProps) {
  const { conversations, more, loading, error } = useStore(model.list)
  const { drawerOpen } = useStore(model)
  const [deleting, setDeleting] = useState<Conversation | null>(null)
  const end = useInView(useCallback(() => void model.list.loadMore(), [model]))
  const nav = useRef<HTMLElement>(null)

  useEffect(() => {
    if (!drawerOpen) return
    nav.current?.querySelector<HTMLElement>('button')?.focus()
    const end = onWayBack(() => model.setDrawer(false))
    return () => {
      end()
      const { activeElement } = document
      const isLost = activeElement === document.body || nav.current?.contains(activeElement)
      // Not to what was focused before: the page behind the drawer is inert, and has lost it.
      if (isLost) document.querySelector<HTMLElement>('.menu-button')?.focus()
    }
  }, [drawerOpen, model])

  return (
    <nav class="sidebar" aria-label="Conversations" ref={nav}>
      <div class="sidebar-top">
        <a class="brand" href="/" onClick={(event) => follow(event, () => model.go(null))}>
          <Logo />
          <span>Parley</span>
        </a>
        <button
          type="button"
          class="icon-button drawer-close"
          aria-label="Close the list"
          onClick={() => model.setDrawer(false)}
        >
          <CloseIcon />
        </button>
      </div>
      <a
        class="new-button"
        href="/"
        aria-current={current === null ? 'page' : undefined}
        aria-keyshortcuts="Control+K Meta+K"
        onClick={(event) => follow(event, () => model.go(null))}
      >
        <PlusIcon /> New conversation
      </a>
      <div class="sidebar-list" data-scrolls>
        <ul>
          {conversations.map((conversation, index) => {
            const heading = period(conversation.lastActivityAt)
            const before = conversations[index - 1]
            const isFirst = !before || period(before.lastActivityAt) !== heading
            return (
              <Fragment key={conversation.id}>
                {isFirst && <li class="list-heading">{heading}</li>}
                <ConversationItem
                  conversation={conversation}
                  isCurrent={conversation.id === current}
                  model={model}
                  onDelete={setDeleting}
                />
              </Fragment>
            )
          })}
        </ul>
        {more === false && conversations.length === 0 && (
          <p class="list-note">Your conversations will be listed here.</p>
        )}
        {error && (
          <p class="list-note" role="alert">
            {errorText(error)}{' '}
            <button type="button" class="link-button" onClick={() => void model.list.refresh()}>
              Try again
            </button>
          </p>
        )}
        {loading && conversations.length === 0 && <ListSkeleton />}
        {more && !error && <div key={conversations.length} class="list-end" ref={end} />}
      </div>
      <div class="sidebar-foot">
        <ThemeToggle />
        <AccountCorner model={model} />
      </div>
      {deleting && (
        <DeleteDialog
          title={deleting.title}
          onCancel={() => setDeleting(null)}
          onConfirm={() => {
            setDeleting(null)
            void model.remove(deleting.id)
          }}
        />
      )}
    </nav>
  )
}

function ListSkeleton() {
  return (
    <div class="list-skeleton" role="status" aria-label="Reading the list">
      <span />
      <span />
      <span />
    </div>
  )
}

/** A plain click stays in the page; with a modifier the browser opens a new tab, as with any link. */
function follow(event: MouseEvent, run: () => void): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
  event.preventDefault()
  run()
}
