/**
 * One provider with its models: whether it is paused, how its breakers stand, and how its calls of the last minutes went.
 * What the buttons do is told from outside.
 */
import type { BreakerView, PauseState, ProvidersAnswer, SwitchTarget } from '../../protocol/operations.ts'
import { count, duration, exactTime, inWords } from './figures.ts'

type Provider = ProvidersAnswer['providers'][number]
type Model = Provider['models'][number]

export interface ProviderActions {
  readonly isBusy: boolean
  readonly onPause: (target: SwitchTarget) => void
  readonly onResume: (target: SwitchTarget) => void
  readonly onReset: (provider: string, model: string) => void
}

interface ProviderCardProps {
  readonly provider: Provider
  /** Null for who may only look. */
  readonly actions: ProviderActions | null
}

export function ProviderCard({ provider, actions }: ProviderCardProps) {
  const { name, kind, paused, models } = provider
  return (
    <section class="card" aria-label={`Provider ${name}`}>
      <header class="card-head">
        <h2>{name}</h2>
        <span class="sub">{kind}</span>
        <Switch name={name} target={`provider:${name}`} paused={paused} actions={actions} />
      </header>
      {paused && <PauseNote paused={paused} />}
      <div class="table-box">
        <table class="table stacked">
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col">Breaker</th>
              <th scope="col" class="number">
                Calls
              </th>
              <th scope="col">Failures</th>
              <th scope="col" class="number">
                First token, p50 / p95
              </th>
              {actions && (
                <th scope="col">
                  <span class="visually-hidden">Switch</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <ModelRow key={model.model} provider={name} model={model} actions={actions} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

interface ModelRowProps {
  readonly provider: string
  readonly model: Model
  readonly actions: ProviderActions | null
}

function ModelRow({ provider, model: { model, paused, breaker, recent }, actions }: ModelRowProps) {
  const failures = Object.entries(recent.failures).filter(([, times]) => times > 0)
  const { p50, p95 } = recent.firstTokenMs
  return (
    <tr>
      <td>
        <b>{model}</b>
        {paused && <PauseNote paused={paused} />}
      </td>
      <td data-label="Breaker">
        <Breaker breaker={breaker} />
        {actions && breaker.state !== 'closed' && (
          <button
            type="button"
            class="button small"
            disabled={actions.isBusy}
            aria-label={`Reset the breaker of ${model} at ${provider}`}
            onClick={() => actions.onReset(provider, model)}
          >
            Reset
          </button>
        )}
      </td>
      <td data-label="Calls" class="number">
        <span>{count(recent.calls)}</span>
      </td>
      <td data-label="Failures">
        <span>{count(failures.reduce((sum, [, times]) => sum + times, 0))}</span>
        {failures.length > 0 && (
          <span class="sub">{failures.map(([kind, times]) => `${inWords(kind)} ${times}`).join(', ')}</span>
        )}
      </td>
      <td data-label="First token" class="number">
        <span>
          {duration(p50)} / {duration(p95)}
        </span>
      </td>
      {actions && (
        <td data-label="Switch" class="number">
          <Switch name={model} target={`model:${model}`} paused={paused} actions={actions} />
        </td>
      )}
    </tr>
  )
}

const STATES = { closed: 'Closed', open: 'Open', half_open: 'Half open' } as const
const LOOKS = { closed: 'badge', open: 'badge danger', half_open: 'badge warn' } as const

function Breaker({ breaker: { state, why, since, retryAt } }: { readonly breaker: BreakerView }) {
  return (
    <>
      <span class={LOOKS[state]} title={since === null ? undefined : `Since ${exactTime(since)}`}>
        {STATES[state]}
      </span>
      {state !== 'closed' && why !== null && <span class="sub">{why}</span>}
      {retryAt !== null && <span class="sub">Tried again at {exactTime(retryAt)}</span>}
    </>
  )
}

interface SwitchProps {
  readonly name: string
  readonly target: SwitchTarget
  readonly paused: PauseState | null
  readonly actions: ProviderActions | null
}

function Switch({ name, target, paused, actions }: SwitchProps) {
  if (!actions) return null
  return (
    <button
      type="button"
      class="button small"
      disabled={actions.isBusy}
      aria-label={`${paused ? 'Resume' : 'Pause'} ${name}`}
      onClick={() => (paused ? actions.onResume(target) : actions.onPause(target))}
    >
      {paused ? 'Resume' : 'Pause…'}
    </button>
  )
}

function PauseNote({ paused: { reason, by, at } }: { readonly paused: PauseState }) {
  return (
    <p class="sub danger" title={`By ${by}`}>
      Paused since {exactTime(at)}: {reason}
    </p>
  )
}
