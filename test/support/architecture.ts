/**
 * The house rules of `src/`, and those that `test/` keeps as well, as functions from files to complaints, so that they
 * can be tried on bad files too. Which part may import which is the caller's table; how a path belongs to a part is
 * decided here.
 */
import { posix } from 'node:path'
import type { SourceFile } from './source-file.ts'

/** What the files of a part may import, besides their own part, `protocol/` and `errors.ts`. */
export interface Allowed {
  /** Parts whose code it may use. */
  readonly code?: readonly string[]
  /** Parts of which it may use types only. */
  readonly types?: readonly string[]
  /** Folders outside `src/` that it may use. */
  readonly outside?: readonly string[]
  /** The packages that it may use; any, when left out. */
  readonly packages?: readonly string[]
}

export type ImportTable = Readonly<Record<string, Allowed>>

export const MAX_LINES = 350
const HEAD_LINES = { least: 2, most: 8 }
const BANNED_NAMES = /^(utils?|helpers?|managers?|services?|common)$/
/** How vitest knows its files; nothing in `src/` ends like that. */
const TEST_ENDING = /\.(?:test|config)\.ts$/
const KEBAB_PATH = /^[a-z0-9]+(-[a-z0-9]+)*(\.d)?(\.[a-z0-9]+)?$/
/** Composition root; entry of the Worker; face of the client library. */
const ALLOWED_BY_NAME = new Set(['src/services.ts'])
const ALLOWED_BARRELS = new Set(['src/index.ts', 'src/client/index.ts'])

/** The part of the layout that a file of `src/` is: `index`, `app`, …, `*-object`, or its folder. */
export function partOf(path: string): string {
  const [, first = '', ...rest] = path.split('/')
  if (path.endsWith('-object.ts')) return '*-object'
  return rest.length === 0 ? first.replace(/\..*$/, '') : first
}

/** Imports that the table does not allow. */
export function importComplaints(file: SourceFile, table: ImportTable): string[] {
  const part = partOf(file.path)
  const allowed = table[part]
  if (!allowed) return [`${file.path}: "${part}" is no part of the layout`]
  return file.imports.flatMap(({ specifier, typeOnly }) => {
    const complain = (why: string): string[] => [`${file.path}: imports "${specifier}", ${why}`]
    if (!specifier.startsWith('.')) {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      return !allowed.packages || allowed.packages.includes(name) ? [] : complain('a package it may not use')
    }
    if (!/\.\w+$/.test(posix.basename(specifier))) return complain('which has no extension')
    const target = posix.join(posix.dirname(file.path), specifier)
    if (!target.startsWith('src/')) {
      const isAllowed = allowed.outside?.some((folder) => target.startsWith(`${folder}/`))
      return isAllowed ? [] : complain('which lies outside src/')
    }
    const targetPart = partOf(target)
    if (targetPart === 'protocol' || targetPart === 'errors' || targetPart === part) return []
    const isOwnFolder = part === '*-object' && posix.dirname(target) === posix.dirname(file.path)
    if (isOwnFolder || allowed.code?.includes(targetPart)) return []
    if (allowed.types?.includes(targetPart)) {
      return typeOnly ? [] : complain(`but may use only the types of ${targetPart}`)
    }
    return complain(`but may not use ${targetPart}`)
  })
}

/** A file that one cannot read at a sitting: the rule for size, which tests keep as well. */
export function sizeComplaints(file: SourceFile): string[] {
  return file.lines > MAX_LINES ? [`${file.path}: has ${file.lines} lines`] : []
}

/** Size, head comment, and what may not be in a file. */
export function fileComplaints(file: SourceFile): string[] {
  const complaints: string[] = []
  if (file.headLines < HEAD_LINES.least || file.headLines > HEAD_LINES.most) {
    complaints.push(`begins with ${file.headLines} lines of comment`)
  }
  for (const what of file.forbidden) complaints.push(`uses ${what}`)
  if (file.isBarrel && !ALLOWED_BARRELS.has(file.path)) complaints.push('is a barrel')
  if (file.superclasses.includes('DurableObject') && !file.path.endsWith('-object.ts')) {
    complaints.push('extends DurableObject and is not a *-object.ts file')
  }
  return [...sizeComplaints(file), ...complaints.map((complaint) => `${file.path}: ${complaint}`)]
}

/** @param path of any file in `src/` or `test/` */
export function nameComplaints(path: string): string[] {
  const names = (path.startsWith('test/') ? path.replace(TEST_ENDING, '.ts') : path).split('/')
  if (names.at(-1) === 'README.md' || ALLOWED_BY_NAME.has(path)) return []
  return names.flatMap((name) => {
    if (!KEBAB_PATH.test(name)) return [`${path}: "${name}" is not in kebab-case`]
    const words = name.replace(/\..*$/, '').split('-')
    return words.some((word) => BANNED_NAMES.test(word)) ? [`${path}: "${name}" says nothing`] : []
  })
}

/** @param paths of all files of the repository */
export function topLevelComplaints(paths: readonly string[], allowed: readonly string[]): string[] {
  const names = new Set(paths.map((path) => path.split('/')[0] ?? ''))
  return [...names]
    .filter((name) => !name.startsWith('.') && !allowed.includes(name))
    .map((name) => `${name}: does not belong to the top level`)
}

export function testComplaints(file: SourceFile): string[] {
  return file.testSwitches.map((found) => `${file.path}: uses ${found}`)
}
