import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The root of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

const generated = new Set(['node_modules', 'dist', 'coverage'])

/** Every file below `folder` (from the root, with `/`), generated ones left out, sorted. */
export function filesBelow(folder: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`
    if (entry.isFile()) found.push(path)
    else if (entry.isDirectory() && !generated.has(entry.name)) found.push(...filesBelow(path))
  }
  return found.sort()
}

/** The TypeScript files of the repository's own code. */
export function sources(): string[] {
  return filesBelow('.').filter((path) =>
    /^(src|sim|test|bench|examples|dashboard)\/.*(?<!\.d)\.tsx?$/.test(path),
  )
}

/** The text of a file, by its path from the root. */
export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The parts of `package.json` that tests look at. */
export interface PackageFile {
  bin: Record<string, string>
  exports: Record<string, string | { types: string; default: string }>
  scripts: Record<string, string>
  dependencies: Record<string, string>
  /** What an application brings along if it uses the door that needs it. */
  peerDependencies: Record<string, string>
}

export function packageFile(): PackageFile {
  return JSON.parse(read('package.json')) as PackageFile
}

/** What one file imports, for its values or only for its types, statically or on demand. */
export interface Imports {
  /** Files of the repository, by path from the root. */
  files: string[]
  /** Packages and `node:` modules, as written. */
  packages: string[]
}

/** The imports of every source file, by its path. */
export function importGraph(): Map<string, Imports> {
  return new Map(sources().map((path) => [path, importsOf(path)]))
}

function importsOf(path: string): Imports {
  const names = moduleNames(path)
  const relatives = names.filter((name) => name.startsWith('.'))
  return {
    files: relatives.map((name) => fromRoot(join(dirname(path), name))),
    packages: names.filter((name) => !name.startsWith('.')),
  }
}

/** What a file names in `import … from`, `export … from`, `import(…)` and `import('…').Type`. */
function moduleNames(path: string): string[] {
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const name = moduleNameOf(node)
    if (name && ts.isStringLiteralLike(name)) names.push(name.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.ESNext))
  return names
}

function moduleNameOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal
  const called = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
  return called ? node.arguments[0] : undefined
}

function fromRoot(path: string): string {
  return relative('.', normalize(path)).split(sep).join('/')
}
