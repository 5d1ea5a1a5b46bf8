/**
 * What stands under a list of the administration: that it is being read, that reading failed, that nothing was found, or
 * how to read on.
 */
import { Failure } from '../dialogs/form.tsx'
import type { Pages } from './use-pages.ts'

export function ListEnd<T>({ pages, empty }: { readonly pages: Pages<T>; readonly empty: string }) {
  const { rows, isLoading, error, more } = pages
  return (
    <div class="list-foot" role="status">
      <Failure error={error} />
      {isLoading && <p>Reading…</p>}
      {!isLoading && !error && rows.length === 0 && <p>{empty}</p>}
      {more && (
        <button type="button" class="button small" onClick={more}>
          Show more
        </button>
      )}
    </div>
  )
}
