import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importGraph, root } from './sources.ts'

const graph = importGraph()

test('every relative import names a file that is there', () => {
  const missing: string[] = []
  for (const [path, { files }] of graph) {
    for (const target of files) {
      if (!existsSync(join(root, target))) missing.push(`${path} imports ${target}`)
    }
  }
  expect(missing).toEqual([])
})

test('no file imports itself by a detour', () => {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '))
    if (at >= 0 || done.has(path)) return
    for (const target of graph.get(path)?.files ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  expect(cycles).toEqual([])
})

test('every file is reached from a door, a command or a test', (context) => {
  if (!graph.has('src/index.ts')) context.skip('src/index.ts, the main door, is not there yet')
  const reached = new Set<string>()
  const follow = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    graph.get(path)?.files.forEach(follow)
  }
  ;[...graph.keys()].filter(isEntry).forEach(follow)
  const orphans = [...graph.keys()].filter((path) => !reached.has(path))
  expect(orphans).toEqual([])
})

/** Files that something other than an import starts. */
function isEntry(path: string): boolean {
  return (
    /^src\/[^/]+\.ts$/.test(path) || // a door
    path === 'src/cli/main.ts' ||
    path === 'sim/run.ts' || // npm run sim
    path === 'dashboard/main.tsx' || // bundled by npm run build
    path === 'test/properties.ts' || // set up by vitest before each test file
    /^(bench|examples(\/[^/]+)?)\/[^/]+\.ts$/.test(path) || // run by hand
    /^test\/.*\/processes\//.test(path) || // started by a test as a process of its own
    /^test\/.*\/pages\//.test(path) || // bundled for a browser by a test
    path === 'test/reporter.ts' || // named in vitest.config.ts
    path.endsWith('.test.ts')
  )
}
