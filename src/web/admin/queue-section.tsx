/**
 * What waits in front of providers that have limits, by priority, and turns that nobody took: each can be sent again. It is
 * read apart from the providers, since one may be seen by people who may not see the other.
 */
import { ParleyError } from '../../client/index.ts'
import type { AdminApi } from '../../client/api-admin.ts'
import type { ProviderQueue } from '../../protocol/queue.ts'
import { Failure } from '../dialogs/form.tsx'
import { useTask } from '../dialogs/use-task.ts'
import { count, duration, exactTime } from './figures.ts'
import { useRefresh } from './use-refresh.ts'

const WHY = {
  not_told: 'Its conversation did not answer',
  lost_leases: 'Its conversation took places and died with them',
} as const

export function QueueSection({ api }: { readonly api: AdminApi }) {
  const { data, error, reload } = useRefresh('queue', () => api.queue())
  const task = useTask()
  const sendAgain = (id: string) =>
    void task.run(async () => {
      try {
        await api.requeue(id)
      } catch (thrown) {
        // Somebody else was faster.
        if (ParleyError.from(thrown).code !== 'not_found') throw thrown
      }
      reload()
    })
  return (
    <section aria-label="Queues">
      <h2 class="part-title">Queues</h2>
      <Failure error={task.error ?? error} />
      {data?.providers.length === 0 && <p class="sub">No provider has limits, so nothing waits.</p>}
      {data?.providers.map((queue) => (
        <section key={queue.provider} class="card" aria-label={`Queue of ${queue.provider}`}>
          <header class="card-head">
            <h3>{queue.provider}</h3>
            <span class="sub">{summary(queue)}</span>
          </header>
          <Priorities queue={queue} />
          {queue.deadLetters.length > 0 && (
            <DeadLetters queue={queue} isBusy={task.isBusy} onSendAgain={sendAgain} />
          )}
        </section>
      ))}
    </section>
  )
}

function summary({ running, waiting, timedOut, limits }: ProviderQueue): string {
  const most = limits.concurrent === undefined ? '' : ` of ${count(limits.concurrent)}`
  return `${count(running)}${most} running · ${count(waiting)} waiting · ${count(timedOut)} waited in vain`
}

function Priorities({ queue: { priorities } }: { readonly queue: ProviderQueue }) {
  return (
    <div class="table-box">
      <table class="table stacked">
        <thead>
          <tr>
            <th scope="col">Priority</th>
            <th scope="col" class="number">
              Waiting
            </th>
            <th scope="col" class="number">
              Begun per minute
            </th>
            <th scope="col" class="number">
              Wait, p50 / p95 / p99
            </th>
          </tr>
        </thead>
        <tbody>
          {priorities.map(({ priority, waiting, grantedPerMinute, p50Ms, p95Ms, p99Ms }) => (
            <tr key={priority}>
              <td>
                <b>{priority}</b>
              </td>
              <td data-label="Waiting" class="number">
                <span>{count(waiting)}</span>
              </td>
              <td data-label="Per minute" class="number">
                <span>{count(grantedPerMinute)}</span>
              </td>
              <td data-label="Wait" class="number">
                <span>{[p50Ms, p95Ms, p99Ms].map(duration).join(' / ')}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface DeadLettersProps {
  readonly queue: ProviderQueue
  readonly isBusy: boolean
  readonly onSendAgain: (id: string) => void
}

function DeadLetters({ queue, isBusy, onSendAgain }: DeadLettersProps) {
  return (
    <ul class="rows" aria-label={`Turns of ${queue.provider} that nobody took`}>
      {queue.deadLetters.map(({ id, conversationId, turnId, why, at, attempts, priority }) => (
        <li key={id} class="row">
          <div class="row-text">
            <b>
              {turnId} of {conversationId}
            </b>
            <span>
              {WHY[why]} · {exactTime(at)} · {priority}, tried {count(attempts)} times
            </span>
          </div>
          <button type="button" class="button small" disabled={isBusy} onClick={() => onSendAgain(id)}>
            Send again
          </button>
        </li>
      ))}
    </ul>
  )
}
