import { createRequire } from 'node:module'

const manifest = createRequire(import.meta.url)('skerry/package.json') as { version: string }

/** The version of this package, such as `0.1.0`. */
export const VERSION = manifest.version
