/**
 * What the counting build of the benchmark (test/workers/bench/counting-worker.ts) answers at `GET /bench/rows`: rows
 * written since the last time it was asked.
 */

export interface RowsWritten {
  /** Rows and index entries that SQL wrote in conversations. */
  readonly conversation: number
  /** Rows that limits wrote. */
  readonly limits: number
  /** Alarms set; each is billed as a row. */
  readonly alarms: number
  /** Rows and index entries written to D1. */
  readonly d1: number
}
