/**
 * One incident: what was measured, what happened since, and what can be done: saying that one is at it, writing something
 * down, saying that it is over, and taking a draft of the post-mortem along.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { IncidentsApi } from '../../client/api-incidents.ts'
import type { IncidentDetail, TimelineEntry } from '../../protocol/incidents.ts'
import { fullTime } from '../dates.ts'
import { Failure } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'
import { download } from '../download.ts'
import { exactTime, inWords } from './figures.ts'
import { IncidentBadges } from './incident-badges.tsx'
import { NoteForm } from './note-form.tsx'
import { ResolveDialog } from './resolve-dialog.tsx'
import { useRefresh } from './use-refresh.ts'

interface IncidentViewProps {
  readonly api: IncidentsApi
  readonly id: string
  readonly you: string
  readonly canHandle: boolean
  readonly onBack: () => void
}

export function IncidentView({ api, id, you, canHandle, onBack }: IncidentViewProps) {
  const { data, error, reload } = useRefresh(id, () => api.get(id))
  const [isResolving, setResolving] = useState(false)
  const task = useTask()
  const back = useRef<HTMLButtonElement>(null)
  // What was pressed to come here is gone.
  useEffect(() => back.current?.focus(), [])

  const act = (work: () => Promise<unknown>) =>
    void task.run(async () => {
      await work()
      reload()
    })
  return (
    <article class="incident" aria-label="Incident">
      <button ref={back} type="button" class="link-button" onClick={onBack}>
        All incidents
      </button>
      <Failure error={task.error ?? error} />
      {!data && !error && <p role="status">Reading…</p>}
      {data && (
        <>
          <header class="card-head">
            <h2>{data.title}</h2>
            <IncidentBadges incident={data} />
          </header>
          <Facts incident={data} />
          <div class="filters">
            {canHandle && data.state === 'open' && (
              <button
                type="button"
                class="button primary"
                disabled={task.isBusy}
                onClick={() => act(() => api.acknowledge(id))}
              >
                Acknowledge
              </button>
            )}
            {canHandle && data.state !== 'resolved' && (
              <button type="button" class="button" onClick={() => setResolving(true)}>
                Resolve…
              </button>
            )}
            <button
              type="button"
              class="button"
              disabled={task.isBusy}
              onClick={() =>
                void task.run(async () => {
                  const draft = await api.postMortem(id)
                  download(new Blob([draft], { type: 'text/markdown' }), `incident-${id}.md`)
                })
              }
            >
              Download post-mortem
            </button>
          </div>
          <h3 class="part-title">What happened</h3>
          <Timeline incident={data} you={you} />
          {canHandle && <NoteForm api={api} id={id} onAdded={reload} />}
        </>
      )}
      {isResolving && (
        <ResolveDialog
          api={api}
          id={id}
          onClose={(isDone) => {
            setResolving(false)
            if (isDone) reload()
          }}
        />
      )}
    </article>
  )
}

function Facts({ incident }: { readonly incident: IncidentDetail }) {
  const { summary, peak, rule, subject, reopened } = incident
  const facts = [
    ['Measured', summary],
    ['At its worst', `${peak.summary}, ${exactTime(peak.at)}`],
    ['Rule', `${rule} of ${subject === 'all' ? 'all providers' : subject}`],
    ...(reopened > 0 ? [['Came back', `${reopened} times`] as const] : []),
  ] as const
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Where the word for it says too little. */
const STEPS: Partial<Record<TimelineEntry['kind'], string>> = {
  joined: 'Seen by another rule',
  cleared: 'Good again by one rule',
}

interface TimelineProps {
  readonly incident: IncidentDetail
  readonly you: string
}

function Timeline({ incident: { timeline }, you }: TimelineProps) {
  return (
    <ol class="timeline" aria-label="Timeline">
      {timeline.map(({ at, kind, text, by }, index) => (
        <li key={index} class={`is-${kind}`}>
          <time dateTime={at} title={fullTime(at)}>
            {exactTime(at)}
          </time>
          <div>
            <b>{STEPS[kind] ?? inWords(kind)}</b>
            {by !== null && <span class="sub">{by === you ? 'you' : by}</span>}
            <p>{text === 'all' ? 'all turns' : text}</p>
          </div>
        </li>
      ))}
    </ol>
  )
}
