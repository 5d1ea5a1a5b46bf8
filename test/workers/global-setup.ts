/**
 * Starts the model server for the tests in workerd, and tells them where it is.
 */
import type { TestProject } from 'vitest/node'
import { ModelServer } from '../support/model-server.ts'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await ModelServer.start({ port: 0 })
  project.provide('modelUrl', server.url)
  return () => server.close()
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Base address of the model server, without `/v1`. */
    modelUrl: string
  }
}
