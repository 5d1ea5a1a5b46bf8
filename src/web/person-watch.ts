/**
 * What the page does when somebody else sits here, or nobody: nothing of the one before stays on the screen, and nothing
 * that they typed is sent as another person's. The same person under a new name (a guest who registered) changes nothing.
 */
import type { AppModel } from './app-model.ts'
import { forgetUnsent } from './drafts.ts'
import { NEW, readRoute, writeRoute } from './route.ts'

export function watchPerson(model: AppModel): void {
  const { session } = model.parley
  /** The last person; somebody who signs in again comes back to what was open. */
  let last = session.user?.id ?? null
  let before = session.snapshot

  session.subscribe(() => {
    const now = session.snapshot
    const previous = before
    before = now
    if (now.state === 'ended') {
      // Who leaves on purpose may leave the machine to others.
      const isOnPurpose = now.reason === 'chosen' || now.reason === 'erased'
      if (isOnPurpose) forgetUnsent()
      if (isOnPurpose && model.snapshot.route.view === 'chat') writeRoute(NEW, true)
      model.list.clear()
      model.set({ dialog: now.reason === 'erased' ? model.snapshot.dialog : null })
      return model.show(readRoute())
    }
    const id = now.user?.id ?? null
    // A guest who comes after an end is always a new one.
    const isSame = id === last || (last === null && !(previous.state === 'ended' && now.state === 'guest'))
    last = id
    if (id === null) return
    // A name, a plan or a role; or a guest who registered, whose old token is void now.
    if (previous.user?.id === id) return model.snapshot.room?.authenticate()
    // The guest that the first request made.
    if (previous.state === 'none' && model.list.snapshot.loading) return
    if (!isSame) {
      forgetUnsent()
      model.closeDialog()
      model.list.clear()
      const { route } = model.snapshot
      if (route.view === 'chat') model.visit(NEW, true)
    }
    void model.list.refresh()
    model.show(readRoute())
    if (!isSame && previous.state === 'guest' && now.state === 'guest') {
      model.say('Your session as a guest has ended; you are a new guest now.')
    }
  })
}
