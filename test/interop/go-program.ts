import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MODULE = 'github.com/benitogf/pivot'
const SOURCE = fileURLToPath(new URL('./go', import.meta.url))

/** How long fetching and building one version may take in all. */
const BUILD_LIMIT_MS = 60_000

/** The program in `go/`, built against one version of pivot; or why it could not be. */
export type GoProgram =
  | { readonly executable: string; readonly why: undefined }
  | { readonly executable: undefined; readonly why: string }

const built = new Map<string, GoProgram>()
const directories: string[] = []

process.once('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** Builds the program once per run; `version` is a commit, or `latest`. */
export function goProgram(version: string): GoProgram {
  const known = built.get(version)
  if (known !== undefined) return known
  const program = build(version)
  built.set(version, program)
  return program
}

function build(version: string): GoProgram {
  const deadline = Date.now() + BUILD_LIMIT_MS
  const directory = mkdtempSync(join(tmpdir(), 'skerry-interop-'))
  directories.push(directory)
  cpSync(SOURCE, directory, { recursive: true })
  const executable = join(directory, 'interop')
  const steps = [
    ['version'],
    ['get', `${MODULE}@${version}`],
    ['build', '-mod=mod', '-o', executable, '.'],
  ]
  for (const step of steps) {
    const why = failureOf(step, directory, deadline - Date.now())
    if (why !== undefined) return { executable: undefined, why }
  }
  return { executable, why: undefined }
}

/** Runs one go command; what went wrong on one line, or undefined. */
function failureOf(given: string[], cwd: string, timeout: number): string | undefined {
  const command = `go ${given.slice(0, 2).join(' ')}`
  if (timeout <= 0) return `${command}: no time left of ${BUILD_LIMIT_MS / 1000} s`
  const { status, error, stderr } = spawnSync('go', given, { cwd, timeout, encoding: 'utf8' })
  if (status === 0) return undefined
  if (error !== undefined) return `${command}: ${error.message}`
  return `${command}: ${stderr.trim().replaceAll(/\s+/g, ' ').slice(0, 300)}`
}
