/**
 * What the architecture test needs to know of a source file: its imports, its classes, its first comment. Read from the
 * syntax tree that the bundler's own parser makes, so that a comment or a string is never taken for code.
 */
import { parseAst } from 'vitest/node'

export interface Import {
  readonly specifier: string
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean
}

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly lines: number
  /** Lines of text in the comment that the file begins with; 0 without one. */
  readonly headLines: number
  readonly imports: readonly Import[]
  /** Names of the classes that its classes extend. */
  readonly superclasses: readonly string[]
  /** Holds nothing but re-exports. */
  readonly isBarrel: boolean
  /** Forbidden syntax that it uses: `any`, `enum`, `import(…)` of something that is not a string. */
  readonly forbidden: readonly string[]
  /** Ways of switching a test off, or of running it again until it passes. */
  readonly testSwitches: readonly string[]
}

interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

const TEST_OBJECTS = new Set(['test', 'it', 'describe', 'suite', 'bench'])
const TEST_SWITCHES = new Set(['skip', 'only', 'todo', 'fails', 'skipIf', 'runIf'])

/** @param text of a `.ts`, `.tsx` or `.mjs` file */
export function readSource(path: string, text: string): SourceFile {
  const lang = path.endsWith('.tsx') ? 'tsx' : path.endsWith('.d.ts') ? 'dts' : 'ts'
  const program = parseAst(text, { lang }, path) as unknown as Node & { body: Node[] }
  const nodes = [...walk(program)]
  return {
    path,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    headLines: headLines(text),
    imports: nodes.flatMap(importOf),
    superclasses: nodes.flatMap((node) => (isNode(node['superClass']) ? nameOf(node['superClass']) : [])),
    isBarrel: program.body.length > 0 && program.body.every(isReExport),
    forbidden: nodes.flatMap(forbiddenOf),
    testSwitches: nodes.flatMap(testSwitchOf),
  }
}

function headLines(text: string): number {
  const comment = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? ''
  return comment.split('\n').filter((line) => /[^\s*]/.test(line)).length
}

function importOf(node: Node): Import[] {
  const { source } = node
  const specifier = isNode(source) && typeof source['value'] === 'string' ? source['value'] : null
  if (specifier === null) return []
  switch (node.type) {
    case 'TSImportType':
      return [{ specifier, typeOnly: true }]
    case 'ImportDeclaration':
      // `import { type A }` leaves an import behind, so only `import type` counts.
      return [{ specifier, typeOnly: node['importKind'] === 'type' }]
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return [{ specifier, typeOnly: node['exportKind'] === 'type' }]
    default:
      return [{ specifier, typeOnly: false }]
  }
}

function isReExport(node: Node): boolean {
  if (node.type === 'ImportDeclaration' || node.type === 'ExportAllDeclaration') return true
  return node.type === 'ExportNamedDeclaration' && node['declaration'] === null
}

function forbiddenOf(node: Node): string[] {
  if (node.type === 'TSAnyKeyword') return ['any']
  if (node.type === 'TSEnumDeclaration') return ['enum']
  const source = node['source']
  const isComputed =
    node.type === 'ImportExpression' && !(isNode(source) && typeof source['value'] === 'string')
  return isComputed ? ['import(…)'] : []
}

function testSwitchOf(node: Node): string[] {
  if (node.type === 'Property' && nameOf(node['key']).includes('retry')) return ['retry']
  if (node.type !== 'MemberExpression') return []
  let root = node['object']
  while (isNode(root) && root.type === 'MemberExpression') root = root['object']
  const [object] = nameOf(root)
  const [property] = nameOf(node['property'])
  const found = object !== undefined && TEST_OBJECTS.has(object) && TEST_SWITCHES.has(property ?? '')
  return found ? [`${object}.${property}`] : []
}

function nameOf(node: unknown): string[] {
  return isNode(node) && typeof node['name'] === 'string' ? [node['name']] : []
}

function* walk(node: Node): Generator<Node> {
  yield node
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child)
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
