/** The shape of the generated `migrations.js`, as drizzle's migrator takes it. */
declare const migrations: {
  journal: { entries: { idx: number; when: number; tag: string; breakpoints: boolean }[] }
  migrations: Record<string, string>
}
export default migrations
