import { expect, test } from 'vitest'
import { importGraph, packageFile } from './sources.ts'

/**
 * Which folder may import which: the arrows of ARCHITECTURE.md. A `door` is a file directly in
 * `src/`, what users of the package import.
 */
const arrows: Record<string, readonly string[]> = {
  core: [],
  // The connection that the store and the registry on Redis share.
  redis: ['core'],
  store: ['redis', 'core'],
  state: ['store', 'core'],
  sync: ['state', 'store', 'core'],
  cluster: ['redis', 'core'],
  events: ['cluster', 'store', 'core'],
  server: ['events', 'cluster', 'sync', 'state', 'store', 'redis', 'core'],
  client: ['core'],
  // Virtual time and the suites that every adapter of a port passes: what `skerry/testing` ships.
  testing: ['cluster', 'store', 'core'],
  door: [
    ...['testing', 'server', 'client', 'events', 'cluster', 'sync', 'state', 'store'],
    ...['redis', 'core'],
  ],
  cli: ['door'],
  sim: ['testing', 'client', 'events', 'cluster', 'sync', 'state', 'store', 'core'],
  examples: ['door'],
  // Of the doors only that of clients, see below: it is a user of nodes as any other.
  dashboard: ['door'],
}

/** Single files that may import more than their folder. */
const exceptions: Record<string, readonly string[]> = {
  // The registry that needs no other server keeps its members in a store.
  'src/cluster/embedded.ts': ['store'],
  // What users test their own code with: conformance suites and the simulator.
  'src/testing.ts': ['sim'],
  // The command that runs it.
  'src/cli/sim.ts': ['sim'],
}

/** `src/core/path.ts` → `core`, `src/index.ts` → `door`, `sim/net/link.ts` → `sim`. */
function folderOf(path: string): string {
  const [top = '', second = '', ...rest] = path.split('/')
  if (top !== 'src') return top
  return rest.length > 0 ? second : 'door'
}

const graph = importGraph()

test('every folder of the sources has its arrows', () => {
  const folders = new Set([...graph.keys()].map(folderOf))
  const unruled = [...folders].filter((name) => !['test', 'bench'].includes(name))
  expect(Object.keys(arrows)).toEqual(expect.arrayContaining(unruled))
})

test('a file imports only along the arrows', () => {
  const violations: string[] = []
  for (const [path, imports] of graph) {
    const folder = folderOf(path)
    const allowed = arrows[folder]
    if (allowed === undefined || path.endsWith('.test.ts')) continue
    for (const target of imports.files) {
      const reached = folderOf(target)
      if (reached === folder || allowed.includes(reached)) continue
      if (exceptions[path]?.includes(reached)) continue
      violations.push(`${path} imports ${target}: no arrow from ${folder} to ${reached}`)
    }
  }
  expect(violations).toEqual([])
})

test('the dashboard knows of a node what its clients know', () => {
  const reached = [...graph]
    .filter(([path]) => path.startsWith('dashboard/'))
    .flatMap(([, { files }]) => files.filter((target) => !target.startsWith('dashboard/')))
  expect(new Set(reached)).toEqual(new Set(['src/client.ts']))
})

test('what is published imports only packages it depends on', () => {
  const { dependencies, peerDependencies } = packageFile()
  const missing: string[] = []
  for (const [path, { packages }] of graph) {
    if (!/^(src|sim)\//.test(path) || path.endsWith('.test.ts')) continue
    for (const name of packages) {
      const [scope, second] = name.split('/')
      const dependency = name.startsWith('@') ? `${scope}/${second}` : (scope ?? '')
      if (name.startsWith('node:') || dependency in dependencies) continue
      if (dependency in peerDependencies) continue
      missing.push(`${path} imports ${name}, which is not in "dependencies"`)
    }
  }
  expect(missing).toEqual([])
})
