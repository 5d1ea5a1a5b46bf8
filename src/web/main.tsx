/**
 * Entry of the page: makes the client library and shows the app, or a shared branch, which needs nothing of it.
 * The library comes before everything else that checks shapes, because it forbids zod to use `eval`.
 */
import { render } from 'preact'
import { createParley } from '../client/index.ts'
import { AppModel } from './app-model.ts'
import { App } from './components/app.tsx'
import { lazy } from './components/lazy.tsx'
import { readRoute } from './route.ts'

const SharePage = lazy(async () => (await import('./share/share-page.tsx')).SharePage)

const root = document.getElementById('app')
if (!root) throw new Error('the page has no #app')

const parley = createParley()
const route = readRoute()
if (route.view === 'share') {
  render(<SharePage parley={parley} token={route.token} />, root)
} else {
  const model = new AppModel(parley)
  model.start()
  render(<App model={model} />, root)
}
