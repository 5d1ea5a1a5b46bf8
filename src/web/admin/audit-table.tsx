/**
 * The trail: who did what to what, and from where, newest first, with filters. It cannot be changed from anywhere; reading
 * it is itself written down.
 */
import { useState } from 'preact/hooks'
import type { AdminApi } from '../../client/api-admin.ts'
import { AUDIT_ACTIONS, type AuditEntry } from '../../protocol/admin.ts'
import { fullTime, shortTime } from '../dates.ts'
import { Choice } from '../dialogs/form.tsx'
import { ListEnd } from './list-end.tsx'
import { usePages } from './use-pages.ts'

interface Filter {
  readonly actor: string
  readonly action: string
  readonly resource: string
  /** Days, as `<input type=date>` says them; both included. */
  readonly from: string
  readonly to: string
}
const NO_FILTER: Filter = { actor: '', action: '', resource: '', from: '', to: '' }

const inWords = (action: string) => action.replaceAll('_', ' ')

const ACTIONS: readonly (readonly [string, string])[] = [
  ['', 'Anything'],
  ...AUDIT_ACTIONS.map((action) => [action, inWords(action)] as const),
]

export function AuditTable({ api }: { readonly api: AdminApi }) {
  const [typed, setTyped] = useState(NO_FILTER)
  const [filter, setFilter] = useState(NO_FILTER)
  const pages = usePages(JSON.stringify(filter), async (cursor) => {
    const { entries, next } = await api.audit({ ...queryOf(filter), cursor })
    return { rows: entries, next }
  })
  const text = (name: 'actor' | 'resource', label: string) => (
    <label class="field">
      <span>{label}</span>
      <input
        autocomplete="off"
        maxLength={128}
        value={typed[name]}
        onInput={(event) => setTyped({ ...typed, [name]: event.currentTarget.value })}
      />
    </label>
  )
  const day = (name: 'from' | 'to', label: string) => (
    <label class="field">
      <span>{label}</span>
      <input
        type="date"
        value={typed[name]}
        onInput={(event) => setTyped({ ...typed, [name]: event.currentTarget.value })}
      />
    </label>
  )

  return (
    <>
      <form
        class="filters"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          setFilter(typed)
        }}
      >
        <Choice
          label="What"
          value={typed.action}
          options={ACTIONS}
          onChange={(action) => setTyped({ ...typed, action })}
        />
        {text('actor', 'By whom (id)')}
        {text('resource', 'To what (id)')}
        {day('from', 'Since')}
        {day('to', 'Until')}
        <button type="submit" class="button">
          Filter
        </button>
        <button
          type="button"
          class="button"
          onClick={() => {
            setTyped(NO_FILTER)
            setFilter(NO_FILTER)
          }}
        >
          Clear
        </button>
      </form>
      {pages.rows.length > 0 && (
        <div class="table-box">
          <table class="table stacked">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">What</th>
                <th scope="col">By</th>
                <th scope="col">To</th>
                <th scope="col">From where</th>
              </tr>
            </thead>
            <tbody>
              {pages.rows.map((entry) => (
                <EntryRow key={entry.id} entry={entry} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <ListEnd pages={pages} empty="Nothing was found." />
    </>
  )
}

function EntryRow({ entry }: { readonly entry: AuditEntry }) {
  const { at, action, actor, actorRole, resource, details, requestId, address, agent } = entry
  const said = Object.entries(details ?? {}).filter(([, value]) => value !== null)
  const more = said.map(([name, value]) => `${name}: ${value}`)
  return (
    <tr>
      <td>
        <time dateTime={at} title={`${fullTime(at)} · request ${requestId}`}>
          {shortTime(at)}
        </time>
      </td>
      <td data-label="What">
        <b>{inWords(action)}</b>
        {more.length > 0 && <span class="sub">{more.join(', ')}</span>}
      </td>
      <td data-label="By" class="break">
        {actor ?? 'nobody known'}
        {actorRole && <span class="sub">{actorRole}</span>}
      </td>
      <td data-label="To" class="break">
        {resource ?? '–'}
      </td>
      <td data-label="From where" class="break" title={agent ?? undefined}>
        {address ?? '–'}
      </td>
    </tr>
  )
}

function queryOf({ actor, action, resource, from, to }: Filter) {
  const midnight = (day: string, later = 0) => {
    const date = new Date(`${day}T00:00`)
    date.setDate(date.getDate() + later)
    return date.toISOString()
  }
  return {
    ...(actor.trim() !== '' && { actor: actor.trim() }),
    ...(action !== '' && { action }),
    ...(resource.trim() !== '' && { resource: resource.trim() }),
    ...(from !== '' && { from: midnight(from) }),
    ...(to !== '' && { to: midnight(to, 1) }),
  }
}
