/**
 * How the models are, and the switches: all turns, each provider and each of its models, read again every few seconds. Who
 * may only look gets no buttons. The queues in front of providers are `queue-section.tsx`.
 */
import { useState } from 'preact/hooks'
import type { AdminApi } from '../../client/api-admin.ts'
import type { PauseState, ProvidersAnswer, SwitchTarget } from '../../protocol/operations.ts'
import { Failure } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'
import { exactTime } from './figures.ts'
import { PauseDialog, targetName } from './pause-dialog.tsx'
import { ProviderCard } from './provider-card.tsx'
import { QueueSection } from './queue-section.tsx'
import { useRefresh } from './use-refresh.ts'

interface OperationsTabProps {
  readonly api: AdminApi
  readonly canSwitch: boolean
  readonly canSeeQueue: boolean
}

export function OperationsTab({ api, canSwitch, canSeeQueue }: OperationsTabProps) {
  const { data, error, reload } = useRefresh('providers', () => api.providers())
  const [pausing, setPausing] = useState<SwitchTarget | null>(null)
  const task = useTask()
  const act = (work: () => Promise<unknown>) =>
    void task.run(async () => {
      await work()
      reload()
    })
  const resume = (target: SwitchTarget) => act(() => api.switch({ target, paused: false }))
  const actions = canSwitch
    ? {
        isBusy: task.isBusy,
        onPause: setPausing,
        onResume: resume,
        onReset: (provider: string, model: string) => act(() => api.resetBreaker(provider, model)),
      }
    : null
  const all = data?.pauses.find(({ target }) => target === 'all') ?? null

  return (
    <>
      <Failure error={task.error ?? error} />
      {!data && !error && <p role="status">Reading…</p>}
      {data && (
        <>
          <section class={all ? 'panel warn' : 'panel'} aria-label="All turns">
            <div class="panel-text">
              <b>{all ? 'All turns are paused' : 'Answers are being written'}</b>
              {all && (
                <span class="sub" title={`By ${all.by}`}>
                  {pauseText(all)}
                </span>
              )}
            </div>
            {canSwitch &&
              (all ? (
                <button
                  type="button"
                  class="button primary"
                  disabled={task.isBusy}
                  onClick={() => resume('all')}
                >
                  Resume all turns
                </button>
              ) : (
                <button type="button" class="button" onClick={() => setPausing('all')}>
                  Pause all turns…
                </button>
              ))}
          </section>
          {data.providers.map((provider) => (
            <ProviderCard key={provider.name} provider={provider} actions={actions} />
          ))}
          {forgotten(data).map((pause) => (
            <section key={pause.target} class="panel warn" aria-label={targetName(pause.target)}>
              <div class="panel-text">
                <b>{targetName(pause.target)} is paused, and not configured any more</b>
                <span class="sub">{pauseText(pause)}</span>
              </div>
              {canSwitch && (
                <button
                  type="button"
                  class="button small"
                  disabled={task.isBusy}
                  onClick={() => resume(pause.target)}
                >
                  Resume
                </button>
              )}
            </section>
          ))}
          <p class="sub">Calls are those of the last {Math.round(data.recentMs / 60_000)} minutes.</p>
        </>
      )}
      {canSeeQueue && <QueueSection api={api} />}
      {pausing && (
        <PauseDialog
          api={api}
          target={pausing}
          onClose={(isDone) => {
            setPausing(null)
            if (isDone) reload()
          }}
        />
      )}
    </>
  )
}

const pauseText = ({ reason, at }: PauseState): string => `Since ${exactTime(at)}: ${reason}`

/** What is paused and stands nowhere else on the page. */
function forgotten({ providers, pauses }: ProvidersAnswer): PauseState[] {
  const known = new Set<string>(['all'])
  for (const { name, models } of providers) {
    known.add(`provider:${name}`)
    for (const { model } of models) known.add(`model:${model}`)
  }
  return pauses.filter(({ target }) => !known.has(target))
}
