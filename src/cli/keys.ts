import type { ServerOptions } from '../index.ts'
import type { Setting, Settings } from './setting.ts'

/** Options of `serve` on who leads which key. */
export const keySettings: readonly Setting[] = [
  {
    name: 'localKey',
    type: 'strings',
    value: '<path>',
    description: 'key that this node leads itself, though it has a leader; give it again for more',
    expected: 'a path or glob, or a list of them',
    limits: { minLength: 1 },
  },
  {
    name: 'keyLeader',
    type: 'strings',
    value: '<path=url>',
    description: 'key with a leader of its own, such as log/*=http://10.0.0.2:8800; again for more',
    expected: 'a path or glob, =, and http(s)://host:port or host:port; or a list of these',
    limits: { pattern: '^[^=]+=.+$' },
  },
]

/** What is shared: plain keys, and those that are led from elsewhere than the rest. */
export function keysOf({ key, localKey, keyLeader }: Settings): ServerOptions['keys'] {
  if (localKey === undefined && keyLeader === undefined) return key
  const local = (localKey ?? []).map((path) => ({ path, local: true }))
  const led = (keyLeader ?? []).map((text) => {
    const at = text.indexOf('=')
    return { path: text.slice(0, at), clusterUrl: text.slice(at + 1) }
  })
  const own = new Set([...local, ...led].map(({ path }) => path))
  // A key that is named twice is one key.
  return [...(key ?? []).filter((path) => !own.has(path)), ...local, ...led]
}
