/**
 * What is left of each quota, when it is whole again, and what the last days used. The numbers are the server's; what it
 * does not limit has no bar.
 */
import { useMemo } from 'preact/hooks'
import type { Parley } from '../../client/index.ts'
import { AccountApi } from '../../client/api-account.ts'
import type { Quota, UsageAnswer } from '../../protocol/usage.ts'
import { Dialog } from '../components/dialog.tsx'
import { dayName } from '../dates.ts'
import { amount, fromWhen } from '../limit-text.ts'
import { Failure } from './form.tsx'
import { useLoad } from './use-task.ts'

const NAMES: Record<Quota['name'], string> = {
  messages_per_day: 'Messages today',
  tokens_per_day: 'Tokens today',
  tokens_per_month: 'Tokens this month',
  cost_per_month: 'Cost this month',
  concurrent_turns: 'Answers at once',
  documents: 'Documents',
  storage_bytes: 'Storage',
}

/** Days that the table shows. */
const MAX_DAYS = 14

interface UsageDialogProps {
  readonly parley: Parley
  readonly onClose: () => void
}

export function UsageDialog({ parley, onClose }: UsageDialogProps) {
  const api = useMemo(() => new AccountApi(parley.caller), [parley])
  const { data, error } = useLoad('usage', () => api.usage())
  return (
    <Dialog title="Usage" onClose={onClose}>
      <Failure error={error} />
      {!data && !error && <p role="status">Loading…</p>}
      {data && (
        <>
          <p>
            Plan: <b class="strong">{data.plan}</b>
          </p>
          <ul class="quotas">
            {data.quotas.map((quota) => (
              <QuotaLine key={quota.name} quota={quota} />
            ))}
          </ul>
          <Days days={data.days.slice(0, MAX_DAYS)} />
        </>
      )}
    </Dialog>
  )
}

/** Millions of tokens are not read to the last digit; the table below has them. */
const rough = (value: number, unit: string) =>
  unit === 'tokens' ? compact.format(value) : amount(value, unit)
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })

function QuotaLine({ quota }: { readonly quota: Quota }) {
  const { name, unit, limit, used, reserved, remaining, resetAt } = quota
  const taken = used + reserved
  const label = NAMES[name]
  const left = remaining ?? 0
  const isLow = limit !== null && left <= limit * 0.1
  return (
    <li class={isLow ? 'quota low' : 'quota'}>
      <div class="quota-line">
        <span>{label}</span>
        <span>
          {limit === null
            ? `${rough(taken, unit)} used, no limit`
            : name === 'concurrent_turns'
              ? `${taken} of ${limit} running`
              : `${rough(left, unit)} of ${rough(limit, unit)} left`}
        </span>
      </div>
      {limit !== null && <Gauge label={`${label}, used`} part={limit > 0 ? taken / limit : 1} />}
      {resetAt !== null && limit !== null && <p>Resets {fromWhen(resetAt)}</p>}
    </li>
  )
}

/** Drawn, because `<meter>` looks different in every browser and the policy of the page allows no style of its own. */
function Gauge({ label, part }: { readonly label: string; readonly part: number }) {
  const percent = Math.round(Math.min(1, part) * 100)
  return (
    <svg
      class="gauge"
      viewBox="0 0 100 8"
      preserveAspectRatio="none"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-valuetext={`${percent} percent`}
    >
      <rect width={percent} height={8} />
    </svg>
  )
}

function Days({ days }: { readonly days: UsageAnswer['days'] }) {
  if (days.length === 0) return null
  return (
    <div class="table-box" tabIndex={0} role="region" aria-label="Usage by day">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col" class="number">
              Messages
            </th>
            <th scope="col" class="number">
              Tokens
            </th>
            <th scope="col" class="number">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {days.map(({ day, messages, inputTokens, outputTokens, costUsd }) => (
            <tr key={day}>
              <td class="date" title={day}>
                {dayName(day)}
              </td>
              <td class="number">{amount(messages, 'messages')}</td>
              <td class="number">{amount(inputTokens + outputTokens, 'tokens')}</td>
              <td class="number">{amount(costUsd, 'usd')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
