/**
 * The table that the benchmark prints, as Markdown, and how its numbers are written.
 */
import type { Row } from './bench.ts'
import type { Figure } from './statistics.ts'

/** Three significant digits, without an exponent. */
export function short(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(digits, 3) })
}

export const ms = (value: number): string => `${short(value)} ms`
export const times = (ratio: number): string => `${short(ratio)} ×`
export const kib = (bytes: number): string => `${short(bytes / 1024)} KiB`
export const mib = (bytes: number): string => `${short(bytes / 1024 / 1024)} MiB`

/** The median, and between which figures the rounds lay. */
export function withSpread({ median, min, max }: Figure, write: (value: number) => string): string {
  return `${write(median)} (${short(min)}–${short(max)})`
}

export function markdownTable(rows: readonly Row[]): string {
  const cells = [
    ['work', 'bare relay', 'Parley', 'goal', ''],
    ['---', '---', '---', '---', '---'],
    ...rows.map((row) => [row.work, row.relay, row.parley, row.goal, row.met ? '✓' : '✗ missed']),
  ]
  return cells.map((line) => `| ${line.join(' | ')} |`).join('\n')
}
