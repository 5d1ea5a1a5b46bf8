/**
 * The administration: people, usage, the trail of who did what, how the models are, and incidents. What a role may not do
 * is not offered; the server refuses it in any case.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { AdminApi } from '../../client/api-admin.ts'
import { can, type RoleAction } from '../../protocol/permissions.ts'
import { role as anyRole } from '../../protocol/principal.ts'
import type { AppModel } from '../app-model.ts'
import { MenuButton } from '../components/menu-button.tsx'
import { useStore } from '../store.ts'
import { AuditTable } from './audit-table.tsx'
import { IncidentsTab } from './incidents-tab.tsx'
import { OperationsTab } from './operations-tab.tsx'
import { UsageTable } from './usage-table.tsx'
import { UserTable } from './user-table.tsx'

const TABS = [
  { name: 'People', action: 'admin:users:read' },
  { name: 'Usage', action: 'admin:usage:read' },
  { name: 'Audit', action: 'admin:audit:read' },
  { name: 'Operations', action: 'admin:operations:read' },
  { name: 'Incidents', action: 'admin:incidents:read' },
] as const satisfies readonly { name: string; action: RoleAction }[]
type TabName = (typeof TABS)[number]['name']

export function AdminPage({ model }: { readonly model: AppModel }) {
  const { user } = useStore(model.parley.session)
  const api = useMemo(() => new AdminApi(model.parley.caller), [model])
  const known = anyRole.safeParse(user?.role)
  const allows = (action: RoleAction) => known.success && can({ role: known.data }, action)
  const tabs = TABS.filter(({ action }) => allows(action))
  const [tab, setTab] = useState<TabName>('People')

  useEffect(() => {
    document.title = 'Administration · Parley'
  }, [])

  return (
    <section class="conversation admin" aria-label="Administration">
      <header class="bar">
        <MenuButton model={model} />
        <h1 class="title">
          <span>Administration</span>
        </h1>
      </header>
      {tabs.length === 0 ? (
        <div class="empty-state">
          <h1>This is for administrators</h1>
          <p>Sign in with an account that has the rights, or ask somebody who has.</p>
        </div>
      ) : (
        <div class="scroller">
          <nav class="tabs" aria-label="Parts of the administration">
            {tabs.map(({ name }) => (
              <button
                key={name}
                type="button"
                aria-current={name === tab ? 'page' : undefined}
                onClick={(event) => {
                  setTab(name)
                  // Where not all fit beside each other.
                  event.currentTarget.scrollIntoView({ block: 'nearest', inline: 'nearest' })
                }}
              >
                {name}
              </button>
            ))}
          </nav>
          <div class="admin-body">
            {tab === 'People' && (
              <UserTable
                api={api}
                you={user?.id ?? ''}
                canChange={allows('admin:users:update')}
                canSuspend={allows('admin:users:suspend')}
              />
            )}
            {tab === 'Usage' && <UsageTable api={api} />}
            {tab === 'Audit' && <AuditTable api={api} />}
            {tab === 'Operations' && (
              <OperationsTab
                api={api}
                canSwitch={allows('admin:operations:switch')}
                canSeeQueue={allows('admin:queue:read')}
              />
            )}
            {tab === 'Incidents' && (
              <IncidentsTab
                parley={model.parley}
                you={user?.id ?? ''}
                canHandle={allows('admin:incidents:handle')}
              />
            )}
          </div>
        </div>
      )}
    </section>
  )
}
