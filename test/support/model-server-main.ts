/**
 * The model server as a process of its own: `node test/support/model-server-main.ts [--port N] [--host H]`.
 * Prints one line of JSON, `{"url":"http://127.0.0.1:…"}`, once it listens. Ends with SIGTERM.
 */
import { parseArgs } from 'node:util'
import { ModelServer } from './model-server.ts'

const { values } = parseArgs({ options: { port: { type: 'string' }, host: { type: 'string' } } })
const server = await ModelServer.start({ port: Number(values.port ?? 0), host: values.host })
console.log(JSON.stringify({ url: server.url }))
process.once('SIGTERM', () => void server.close())
