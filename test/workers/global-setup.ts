/**
 * For the tests in workerd: starts the model server, an identity provider, a receiver of webhooks and what takes their logs, tells them where these
 * are, and makes what the Worker's bundle needs from the build.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { IdentityProvider } from '../support/identity-provider.ts'
import { collectLogs } from '../support/log-collector.ts'
import { keepLog } from '../support/log-reporter.ts'
import { ModelServer } from '../support/model-server.ts'
import { WebhookReceiver } from '../support/webhook-receiver.ts'

const WORD_LIST = new URL('../../src/auth/word-list.mjs', import.meta.url).pathname

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await promisify(execFile)(process.execPath, [WORD_LIST])
  const server = await ModelServer.start({ port: 0 })
  const provider = await IdentityProvider.start()
  const receiver = await WebhookReceiver.start()
  const logs = await collectLogs(keepLog)
  project.provide('receiverUrl', receiver.url)
  project.provide('logUrl', logs.url)
  project.provide('identityUrl', provider.url)
  project.provide('modelUrl', server.url)
  return async () => {
    await Promise.all([server.close(), provider.close(), receiver.close(), logs.close()])
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Base address of the model server, without `/v1`. */
    modelUrl: string
    /** Address of the identity provider, which is its issuer. */
    identityUrl: string
    /** Address of the receiver of webhooks. */
    receiverUrl: string
    /** Where a test file hands over what was logged. */
    logUrl: string
  }
}
