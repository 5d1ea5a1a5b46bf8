/**
 * Runs before each test file in workerd: keeps every line that the Worker under test writes to its console, and hands them
 * over when the file's tests have ended, to be read at the end of the run (../support/log-reporter.ts). Vitest's own way of
 * passing on what is logged loses most of what objects and other requests say.
 */
import { afterAll, inject } from 'vitest'

const lines: string[] = []

for (const level of ['debug', 'log', 'info', 'warn', 'error'] as const) {
  const write = console[level].bind(console)
  console[level] = (...values: unknown[]) => {
    lines.push(values.map(textOf).join(' '))
    write(...values)
  }
}

afterAll(async () => {
  const { ok } = await fetch(inject('logUrl'), {
    method: 'POST',
    body: lines.map((line) => `${line}\n`).join(''),
  })
  if (!ok) throw new Error('the log was not taken')
})

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return `${value.stack} ${String(value.cause)}`
  return JSON.stringify(value)
}
