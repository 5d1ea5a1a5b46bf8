/**
 * The model server as a process of its own: `node test/support/model-server-main.ts [--port N] [--host H] [--with-parent]`.
 * Prints one line of JSON, `{"url":"http://127.0.0.1:…"}`, once it listens. Ends with SIGTERM and, if told
 * to live `--with-parent`, when its standard input ends: a crashed test leaves no server behind.
 */
import { parseArgs } from 'node:util'
import { ModelServer } from './model-server.ts'

const { values } = parseArgs({
  options: { port: { type: 'string' }, host: { type: 'string' }, 'with-parent': { type: 'boolean' } },
})
const server = await ModelServer.start({ port: Number(values.port ?? 0), host: values.host })
console.log(JSON.stringify({ url: server.url }))
process.once('SIGTERM', () => void server.close().then(() => process.exit()))
if (values['with-parent']) process.stdin.once('end', () => process.exit()).resume()
