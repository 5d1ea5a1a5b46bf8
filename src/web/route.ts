/**
 * The address bar: `/` is a new conversation, `/c/<id>` is one that exists, `/invite#<token>` leads into one, `/s#<token>`
 * shows a shared branch, `/admin` is the administration. Anything else is `/`. Whether what an address names exists is
 * for the server to say. Tokens stand in the fragment, which browsers keep to themselves: no log has them.
 */
export type Route =
  | { readonly view: 'chat'; readonly id: string | null }
  | { readonly view: 'invite' | 'share'; readonly token: string }
  | { readonly view: 'admin' }

export const NEW: Route = { view: 'chat', id: null }

export function readRoute(): Route {
  const { pathname, hash } = location
  const id = /^\/c\/([0-9a-f-]{36})\/?$/i.exec(pathname)?.[1]
  if (id) return { view: 'chat', id: id.toLowerCase() }
  const link = /^\/(invite|s)\/?#([\w.~-]+)$/.exec(pathname + hash)
  if (link?.[2]) return { view: link[1] === 's' ? 'share' : 'invite', token: link[2] }
  return /^\/admin\/?$/.test(pathname) ? { view: 'admin' } : NEW
}

/** Of a conversation, or of a new one. */
export const pathOf = (conversationId: string | null) => (conversationId ? `/c/${conversationId}` : '/')

/** The whole address of a link, to be given to somebody. */
export const linkTo = (view: 'invite' | 'share', token: string) =>
  `${location.origin}/${view === 'share' ? 's' : 'invite'}#${token}`

export function writeRoute(route: Route, replace = false): void {
  const path = addressOf(route)
  if (path === location.pathname + location.hash) return
  if (replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
}

export function onRouteChange(run: () => void): void {
  addEventListener('popstate', run)
}

function addressOf(route: Route): string {
  if (route.view === 'chat') return pathOf(route.id)
  return route.view === 'admin' ? '/admin' : `/${route.view === 'share' ? 's' : 'invite'}#${route.token}`
}
