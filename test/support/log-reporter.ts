/**
 * A reporter of Vitest that keeps everything the tests and the Worker log in one file, reads it when all tests have ended,
 * and fails the run for what must not be there (log-check.ts). It also fails when it has read nothing.
 *
 * What has processes or a runtime of its own appends to the same file: `wrangler dev` (wrangler-dev.ts) and the tests in
 * workerd (test/workers/log-keeping.ts). Not read is what workerd itself says to the terminal.
 */
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { UserConsoleLog } from 'vitest'
import type { Reporter, TestModule, Vitest } from 'vitest/node'
import { complaintOf, linesOfWorker } from './log-check.ts'

const FOLDER = join(import.meta.dirname, '../../.build/test-logs')
/** Tells the processes of this run, which inherit it, where its log is: runs at the same time must not mix theirs. */
const FILE_VARIABLE = 'PARLEY_TEST_LOG'

/** Adds to the log of the test run that this process belongs to; does nothing outside of one. */
export function keepLog(text: string): void {
  const file = process.env[FILE_VARIABLE]
  if (file !== undefined) appendFileSync(file, text)
}

export class LogReporter implements Reporter {
  readonly #file: string
  /** The project whose tests make the Worker log. */
  readonly #project: string
  #vitest: Vitest | null = null

  constructor(project: string) {
    this.#project = project
    this.#file = join(FOLDER, `${project}-${process.pid}.log`)
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(this.#file, '')
    process.env[FILE_VARIABLE] = this.#file
  }

  onUserConsoleLog({ content }: UserConsoleLog): void {
    keepLog(content.endsWith('\n') ? content : `${content}\n`)
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const log = stripVTControlCharacters(readFileSync(this.#file, 'utf8'))
    const complaint = complaintOf(log, this.#isComplete(modules))
    if (complaint !== null) {
      console.error(`\n Logs  ${complaint}\n       All of it: ${this.#file}`)
      process.exitCode = 1
      return
    }
    if (log !== '') console.log(`\n Logs  ${linesOfWorker(log)} lines of the Worker, nothing private in them`)
    rmSync(this.#file)
  }

  /** Part of the tests may have nothing to log; all of them together have. */
  #isComplete(modules: readonly TestModule[]): boolean {
    const { config, filenamePattern } = this.#vitest as Vitest & { readonly filenamePattern?: string[] }
    if (filenamePattern !== undefined || config.testNamePattern !== undefined) return false
    return modules.some(({ project }) => project.name === this.#project)
  }
}
