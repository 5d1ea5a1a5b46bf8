/**
 * Who sits here, at the foot of the list, and a menu of what they can do with their account. Everything in it opens a
 * dialog, or signs out; which dialogs there are is `dialogs/dialog-host.tsx`.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ParleyError, type SessionSnapshot } from '../../client/index.ts'
import { can } from '../../protocol/permissions.ts'
import { role } from '../../protocol/principal.ts'
import type { AppModel, OpenDialog } from '../app-model.ts'
import { errorText } from '../error-text.ts'
import { useStore } from '../store.ts'
import { UserIcon } from './icons.tsx'

type Entry = readonly [label: string, run: () => void]

export function AccountCorner({ model }: { readonly model: AppModel }) {
  const session = useStore(model.parley.session)
  const [isOpen, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const menu = useRef<HTMLDivElement>(null)

  useEffect(() => {
    if (!isOpen) return
    menu.current?.querySelector<HTMLElement>('button')?.focus()
    const onPress = (event: Event) => {
      const { target } = event
      const isInside = target instanceof Node && menu.current?.contains(target)
      if (!isInside && !(target instanceof Node && button.current?.contains(target))) setOpen(false)
    }
    document.addEventListener('pointerdown', onPress)
    return () => document.removeEventListener('pointerdown', onPress)
  }, [isOpen])

  const close = () => {
    setOpen(false)
    // So that a dialog opened from here gives the focus back to here.
    button.current?.focus()
  }
  const { user } = session
  const name = user?.name ?? (session.state === 'ended' ? 'Signed out' : 'Not signed in')
  return (
    <div
      class="account"
      onKeyDown={(event) => {
        if (!isOpen) return
        if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
          event.preventDefault()
          moveFocus(menu.current, event.key === 'ArrowDown' ? 1 : -1)
        }
        if (event.key !== 'Escape') return
        // Not the drawer, too.
        event.stopPropagation()
        close()
      }}
      onFocusOut={(event) => {
        const { relatedTarget } = event
        if (relatedTarget instanceof Node && !event.currentTarget.contains(relatedTarget)) setOpen(false)
      }}
    >
      {isOpen && (
        <div class="menu" ref={menu} role="group" aria-label="Account">
          {user && (
            <div class="menu-head">
              <b title={user.name}>{user.name}</b>
              <span title={user.email ?? undefined}>{user.email ?? 'A guest in this browser'}</span>
            </div>
          )}
          {entriesOf(model, session).map(([label, run]) => (
            <button
              key={label}
              type="button"
              onClick={() => {
                close()
                run()
              }}
            >
              {label}
            </button>
          ))}
        </div>
      )}
      <button
        ref={button}
        type="button"
        class="account-button"
        aria-expanded={isOpen}
        aria-label={`${name}, account menu`}
        title={user ? 'This is how others see you' : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        <UserIcon size={16} />
        <span class="who">{name}</span>
      </button>
    </div>
  )
}

function entriesOf(model: AppModel, session: SessionSnapshot): Entry[] {
  const opens = (label: string, kind: Exclude<OpenDialog['kind'], 'members' | 'share'>): Entry => [
    label,
    () => model.open({ kind }),
  ]
  const signOut = (where: 'here' | 'everywhere') => () => {
    model.parley.account
      .signOut(where)
      .catch((error: unknown) => model.say(errorText(ParleyError.from(error))))
  }
  const enter = [opens('Sign in', 'sign-in'), opens('Create an account', 'register')]
  const data = [opens('Export my data', 'export'), opens('Delete my data', 'erase')]
  if (session.state === 'none' || session.state === 'ended') return enter
  if (session.state === 'guest') return [...enter, opens('Usage', 'usage'), ...data]
  const known = role.safeParse(session.user.role)
  const isStaff = known.success && can({ role: known.data }, 'admin:users:read')
  return [
    opens('Usage', 'usage'),
    opens('Change name', 'name'),
    opens('Change password', 'password'),
    opens('Devices', 'sessions'),
    opens('API keys', 'keys'),
    opens('Webhooks', 'webhooks'),
    ...(isStaff ? [['Administration', () => model.visit({ view: 'admin' })] as const] : []),
    ...data,
    ['Sign out', signOut('here')],
    ['Sign out everywhere', signOut('everywhere')],
  ]
}

function moveFocus(menu: HTMLElement | null, step: 1 | -1): void {
  const all = [...(menu?.querySelectorAll<HTMLElement>('button') ?? [])]
  const at = all.findIndex((button) => button === document.activeElement)
  all.at((at + step + all.length) % all.length)?.focus()
}
