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

/** How a number is written: divided by `per`, with `unit` behind it. */
export interface Unit {
  readonly per: number
  readonly unit: string
}

export const MS: Unit = { per: 1, unit: ' ms' }
export const KIB: Unit = { per: 1024, unit: ' KiB' }
export const MIB: Unit = { per: 1024 * 1024, unit: ' MiB' }
export const THOUSANDS: Unit = { per: 1000, unit: 'k' }
export const TIMES: Unit = { per: 1, unit: ' ×' }
export const PLAIN: Unit = { per: 1, unit: '' }

export function withUnit(value: number, { per, unit }: Unit): string {
  return `${short(value / per)}${unit}`
}

/** The median, and between which figures the rounds lay. */
export function withSpread({ median, min, max }: Figure, unit: Unit): string {
  return `${withUnit(median, unit)} (${short(min / unit.per)}–${short(max / unit.per)})`
}

export function markdownTable(rows: readonly Row[]): string {
  const cells = [
    ['work', 'bare relay', 'Parley', 'goal', ''],
    ['---', '---', '---', '---', '---'],
    ...rows.map((row) => [row.work, row.relay, row.parley, row.goal, row.met ? '✓' : '✗ missed']),
  ]
  return cells.map((line) => `| ${line.join(' | ')} |`).join('\n')
}
