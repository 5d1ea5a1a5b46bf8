/**
 * Incidents: those that go on, the open ones first, read again every few seconds; below them those that are over. One that
 * is chosen is shown in their place by `incident-view.tsx`.
 */
import { useMemo, useState } from 'preact/hooks'
import { IncidentsApi } from '../../client/api-incidents.ts'
import type { Parley } from '../../client/index.ts'
import type { Incident } from '../../protocol/incidents.ts'
import { fullTime } from '../dates.ts'
import { Failure } from '../dialogs/form.tsx'
import { exactTime } from './figures.ts'
import { IncidentBadges } from './incident-badges.tsx'
import { IncidentView } from './incident-view.tsx'
import { ListEnd } from './list-end.tsx'
import { usePages } from './use-pages.ts'
import { useRefresh } from './use-refresh.ts'

interface IncidentsTabProps {
  readonly parley: Parley
  readonly you: string
  readonly canHandle: boolean
}

export function IncidentsTab({ parley, you, canHandle }: IncidentsTabProps) {
  const api = useMemo(() => new IncidentsApi(parley.caller), [parley])
  const [chosen, setChosen] = useState<string | null>(null)
  return chosen === null ? (
    <IncidentList api={api} onChoose={setChosen} />
  ) : (
    <IncidentView api={api} id={chosen} you={you} canHandle={canHandle} onBack={() => setChosen(null)} />
  )
}

interface IncidentListProps {
  readonly api: IncidentsApi
  readonly onChoose: (id: string) => void
}

function IncidentList({ api, onChoose }: IncidentListProps) {
  const { data, error } = useRefresh('current', async () => {
    const [open, acknowledged] = await Promise.all([
      api.list({ state: 'open' }),
      api.list({ state: 'acknowledged' }),
    ])
    return [...open.incidents, ...acknowledged.incidents]
  })
  // One that goes from the first list may have come into the second.
  const key = data?.map(({ id }) => id).join() ?? ''
  const over = usePages(key, async (cursor) => {
    const { incidents, next } = await api.list({ state: 'resolved', cursor })
    return { rows: incidents, next }
  })
  return (
    <>
      <h2 class="part-title">Going on</h2>
      <Failure error={error} />
      {!data && !error && <p role="status">Reading…</p>}
      {data?.length === 0 && <p class="sub">Nothing is wrong that anybody here knows of.</p>}
      {data && data.length > 0 && <IncidentTable incidents={data} onChoose={onChoose} />}
      <h2 class="part-title">Over</h2>
      {over.rows.length > 0 && <IncidentTable incidents={over.rows} onChoose={onChoose} />}
      <ListEnd pages={over} empty="There was none yet." />
    </>
  )
}

interface IncidentTableProps {
  readonly incidents: readonly Incident[]
  readonly onChoose: (id: string) => void
}

function IncidentTable({ incidents, onChoose }: IncidentTableProps) {
  return (
    <div class="table-box">
      <table class="table stacked">
        <thead>
          <tr>
            <th scope="col">Incident</th>
            <th scope="col">State</th>
            <th scope="col">Opened</th>
            <th scope="col">Measured</th>
          </tr>
        </thead>
        <tbody>
          {incidents.map((incident) => (
            <tr key={incident.id}>
              <td>
                <button type="button" class="link-button long" onClick={() => onChoose(incident.id)}>
                  {incident.title}
                </button>
              </td>
              <td data-label="State">
                <IncidentBadges incident={incident} />
              </td>
              <td data-label="Opened">
                <time dateTime={incident.openedAt} title={fullTime(incident.openedAt)}>
                  {exactTime(incident.openedAt)}
                </time>
              </td>
              <td data-label="Measured">
                <span>{incident.summary}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
