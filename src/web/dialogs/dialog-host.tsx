/**
 * Which dialog is which. It is the entry of the code that is loaded when the first dialog is opened; which one is open,
 * and closing it, is the model's.
 */
import type { AppModel, OpenDialog } from '../app-model.ts'
import { AuthDialog } from './auth-dialog.tsx'
import { EraseDialog } from './erase-dialog.tsx'
import { ExportDialog } from './export-dialog.tsx'
import { KeysDialog } from './keys-dialog.tsx'
import { MembersDialog } from './members-dialog.tsx'
import { NameDialog } from './name-dialog.tsx'
import { PasswordDialog } from './password-dialog.tsx'
import { SessionsDialog } from './sessions-dialog.tsx'
import { ShareDialog } from './share-dialog.tsx'
import { UsageDialog } from './usage-dialog.tsx'
import { WebhooksDialog } from './webhooks-dialog.tsx'

interface DialogHostProps {
  readonly model: AppModel
  readonly dialog: OpenDialog
}

export function DialogHost({ model, dialog }: DialogHostProps) {
  const { parley } = model
  const onClose = () => model.closeDialog()
  switch (dialog.kind) {
    case 'sign-in':
    case 'register':
      return <AuthDialog key={dialog.kind} parley={parley} mode={dialog.kind} onClose={onClose} />
    case 'usage':
      return <UsageDialog parley={parley} onClose={onClose} />
    case 'sessions':
      return <SessionsDialog parley={parley} onClose={onClose} />
    case 'password':
      return <PasswordDialog parley={parley} onClose={onClose} />
    case 'name':
      return <NameDialog parley={parley} onClose={onClose} />
    case 'keys':
      return <KeysDialog parley={parley} onClose={onClose} />
    case 'webhooks':
      return <WebhooksDialog parley={parley} onClose={onClose} />
    case 'export':
      return <ExportDialog parley={parley} onClose={onClose} />
    case 'erase':
      return <EraseDialog parley={parley} onClose={onClose} />
    case 'members':
      return <MembersDialog model={model} id={dialog.id} onClose={onClose} />
    case 'share':
      return <ShareDialog model={model} id={dialog.id} onClose={onClose} />
    default:
      return null
  }
}
