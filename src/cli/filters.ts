import type { ServerOptions } from '../index.ts'
import type { Setting, Settings } from './setting.ts'

/** Options of `serve` on what is served at all. */
export const filterSettings: readonly Setting[] = [
  {
    name: 'static',
    type: 'boolean',
    description: 'serve only what --open names, and no lists of keys',
    expected: 'true or false',
  },
  {
    name: 'open',
    type: 'strings',
    value: '<path>',
    description: 'path or glob that a static node serves; give it again for more',
    expected: 'a path or glob, or a list of them',
    limits: { minLength: 1 },
  },
]

/** A filter for each path that is open; others are for programs, since they are functions. */
export function filtersOf({ open }: Settings): ServerOptions['filters'] {
  return open && Object.fromEntries(open.map((path) => [path, { open: true }]))
}
