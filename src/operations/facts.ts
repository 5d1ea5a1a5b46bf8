/**
 * The few facts of operations that survive a restart: which breakers are open, and what is paused. A port, so that what
 * decides is tested with a plain map; the object keeps them as rows.
 */
export type FactKind = 'breaker' | 'pause'

export interface FactStore {
  /** All of one kind, by name. Our own rows: what was put is what is read. */
  load(kind: FactKind): readonly (readonly [name: string, value: unknown])[]
  put(kind: FactKind, name: string, value: object): void
  remove(kind: FactKind, name: string): void
}
