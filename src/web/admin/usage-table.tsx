/**
 * What was used, by day, model, person, agent or conversation, over some days; the most expensive first, as the server
 * sends it, except that days are in their order.
 */
import { useState } from 'preact/hooks'
import type { AdminApi } from '../../client/api-admin.ts'
import type { UsageGroup } from '../../protocol/usage.ts'
import { Choice, Failure } from '../dialogs/form.tsx'
import { useLoad } from '../dialogs/use-task.ts'
import { amount } from '../limit-text.ts'

const GROUPS: readonly (readonly [UsageGroup, string])[] = [
  ['day', 'Day'],
  ['model', 'Model'],
  ['user', 'Person'],
  ['agent', 'Agent'],
  ['conversation', 'Conversation'],
]

const DAYS = [
  ['1', 'Today'],
  ['7', 'Seven days'],
  ['30', 'Thirty days'],
  ['90', 'Ninety days'],
] as const

const DAY_MS = 86_400_000

export function UsageTable({ api }: { readonly api: AdminApi }) {
  const [by, setBy] = useState<UsageGroup>('day')
  const [days, setDays] = useState<(typeof DAYS)[number][0]>('30')
  const { data, error } = useLoad(`${by} ${days}`, () => api.usage({ by, ...span(Number(days)) }))
  const isOf = GROUPS.find(([group]) => group === data?.by)?.[1] ?? ''
  const rows =
    data?.by === 'day' ? data.rows.toSorted((a, b) => (a.key < b.key ? 1 : -1)) : (data?.rows ?? [])

  return (
    <>
      <div class="filters">
        <Choice label="By" value={by} options={GROUPS} onChange={setBy} />
        <Choice label="Over" value={days} options={DAYS} onChange={setDays} />
      </div>
      <Failure error={error} />
      {!data && !error && <p role="status">Reading…</p>}
      {data && rows.length === 0 && <p class="list-foot">Nothing was used.</p>}
      {rows.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label="Usage">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{isOf}</th>
                <th scope="col" class="number">
                  Messages
                </th>
                <th scope="col" class="number">
                  Tokens in
                </th>
                <th scope="col" class="number">
                  Tokens out
                </th>
                <th scope="col" class="number">
                  Cost
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ key, messages, inputTokens, outputTokens, costUsd, priced }) => (
                <tr key={key}>
                  <td class="break">{key}</td>
                  <td class="number">{amount(messages, 'messages')}</td>
                  <td class="number">{amount(inputTokens, 'tokens')}</td>
                  <td class="number">{amount(outputTokens, 'tokens')}</td>
                  <td class="number" title={priced ? undefined : 'Some models have no known price'}>
                    {priced ? '' : '≥ '}
                    {amount(costUsd, 'usd')}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.truncated && <p class="list-foot">There is more than is shown. Choose fewer days.</p>}
    </>
  )
}

/** Days of UTC, which is how usage is counted. */
function span(days: number) {
  const day = (at: number) => new Date(at).toISOString().slice(0, 10)
  const now = Date.now()
  return { from: day(now - (days - 1) * DAY_MS), to: day(now) }
}
