/**
 * How an incident stands, in a word or two: its state, and while it goes on how bad it is and how far it was escalated.
 * The list and the view of one incident say it alike.
 */
import type { Incident } from '../../protocol/incidents.ts'

const STATES = { open: 'Open', acknowledged: 'Acknowledged', resolved: 'Over' } as const

export function IncidentBadges({ incident: { state, severity, level } }: { readonly incident: Incident }) {
  const look = severity === 'critical' ? 'badge danger' : 'badge warn'
  return (
    <span class="badges">
      <span class={state === 'open' ? look : 'badge'}>{STATES[state]}</span>
      {state !== 'resolved' && <span class="sub">{severity}</span>}
      {state !== 'resolved' && level > 0 && <span class="sub">level {level}</span>}
    </span>
  )
}
