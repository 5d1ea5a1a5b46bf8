/**
 * Everything of mine as one file. It is written while it is read, so its last field says whether it is whole; a file that
 * was cut off on its way is not offered.
 */
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { ParleyError, type Parley } from '../../client/index.ts'
import { AccountApi } from '../../client/api-account.ts'
import { Dialog } from '../components/dialog.tsx'
import { download } from '../download.ts'
import { Form } from './form.tsx'
import { useTask } from './use-task.ts'

/** The end of a file that is whole. */
const COMPLETE = /"complete"\s*:\s*true\s*\}\s*$/
const END_BYTES = 64

interface ExportDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function ExportDialog({ parley, onClose }: ExportDialogProps) {
  const api = useMemo(() => new AccountApi(parley.caller), [parley])
  const task = useTask()
  const gone = useRef(new AbortController())
  useEffect(() => () => gone.current.abort(), [])

  return (
    <Dialog title="Export my data" onClose={onClose}>
      <p>
        One JSON file with your profile, your conversations, what you said in those of others, your devices
        and what you used.
      </p>
      <Form
        task={task}
        submit={task.isBusy ? 'Preparing the file…' : 'Download'}
        onCancel={onClose}
        onSubmit={async () => {
          const file = await api.export(gone.current.signal)
          if (!COMPLETE.test(await file.slice(-END_BYTES).text())) throw incomplete()
          download(file, `parley-${new Date().toISOString().slice(0, 10)}.json`)
          onClose()
        }}
      />
    </Dialog>
  )
}

const incomplete = () =>
  new ParleyError({
    code: 'bad_answer',
    detail: 'The file did not come through whole. Try again.',
    retryable: true,
  })
