/**
 * Opens the list of conversations where it is a drawer; the style sheet hides it where the list is always there.
 * Closing the drawer is done in the drawer, by Escape, or beside it.
 */
import type { AppModel } from '../app-model.ts'
import { useStore } from '../store.ts'
import { MenuIcon } from './icons.tsx'

export function MenuButton({ model }: { readonly model: AppModel }) {
  const { drawerOpen } = useStore(model)
  return (
    <button
      type="button"
      class="icon-button menu-button"
      aria-label="Open the list of conversations"
      aria-expanded={drawerOpen}
      onClick={() => model.setDrawer(true)}
    >
      <MenuIcon size={20} />
    </button>
  )
}
