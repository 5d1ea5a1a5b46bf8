/**
 * Entry of the page: makes the client library and the model, and shows the app.
 * The library comes before everything else that checks shapes, because it forbids zod to use `eval`.
 */
import { render } from 'preact'
import { createParley } from '../client/index.ts'
import { AppModel } from './app-model.ts'
import { App } from './components/app.tsx'

const root = document.getElementById('app')
if (!root) throw new Error('the page has no #app')

const model = new AppModel(createParley())
model.start()
render(<App model={model} />, root)
