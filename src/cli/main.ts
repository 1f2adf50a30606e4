#!/usr/bin/env node
import { Command } from 'commander'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { addBackup } from './backup.ts'
import { addBench } from './bench.ts'
import { addCluster } from './cluster.ts'
import { addData } from './data.ts'
import { addDemo } from './demo.ts'
import { addEvents } from './events.ts'
import { addExport } from './export.ts'
import { failureOf } from './failure.ts'
import { addHistory } from './history.ts'
import { addImport } from './import.ts'
import { addServe } from './serve.ts'
import { addSim } from './sim.ts'
import { addStatus } from './status.ts'
import { addWatch } from './watch.ts'
import { addTombstones } from './tombstones.ts'

/** A command's own file adds it; settings made before are passed on to it. */
function commandLine(): Command {
  const { version } = createRequire(import.meta.url)('skerry/package.json') as { version: string }
  const program = new Command('skerry')
    .description('Keeps JSON state alive and in step across machines that come and go.')
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
  addServe(program)
  addDemo(program, fileURLToPath(import.meta.url))
  addStatus(program)
  addData(program)
  addHistory(program)
  addTombstones(program)
  addExport(program)
  addImport(program)
  addBackup(program)
  addWatch(program)
  addCluster(program)
  addEvents(program)
  addBench(program, fileURLToPath(import.meta.url))
  addSim(program)
  return program
}

try {
  await commandLine().parseAsync()
} catch (thrown) {
  const { exitCode, line } = failureOf(thrown)
  if (line !== undefined) process.stderr.write(`${line}\n`)
  process.exitCode = exitCode
}
