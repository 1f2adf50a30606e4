import type { Command } from 'commander'
import { resolve } from 'node:path'
import { restingBackup, restoreBackup, SkerryError, writeBackup } from '../index.ts'
import { Progress } from './progress.ts'
import { addRemoteFlags, Remote, type RemoteFlags, withQuery } from './remote.ts'

interface BackupFlags extends RemoteFlags {
  readonly data?: string
}

interface RestoreFlags {
  readonly data: string
}

export function addBackup(program: Command): void {
  addRemoteFlags(program.command('backup'))
    .description('take a backup of a node, while it serves')
    .argument('<dir>', 'where to; must be empty or not there')
    .option('--data <dir>', "the node's data directory, if it may not be running")
    .action(backup)
  program
    .command('restore')
    .description('make a data directory from a backup; the node takes a new epoch')
    .argument('<dir>', 'the backup')
    .option('--data <dir>', 'where to; must be empty or not there', 'skerry-data')
    .action(restore)
}

async function backup(dir: string, flags: BackupFlags): Promise<void> {
  const progress = new Progress('records', undefined)
  const manifest = await take(dir, flags, (records) => progress.reach(records)).finally(() =>
    progress.end(),
  )
  process.stdout.write(`${JSON.stringify({ event: 'backup', dir, ...manifest })}\n`)
}

/** From the disk if nobody holds it, else from the node that does. */
async function take(dir: string, flags: BackupFlags, reached: (records: number) => void) {
  const { data } = flags
  if (data !== undefined) {
    try {
      return await writeBackup(dir, restingBackup(data), reached)
    } catch (error) {
      if (!(error instanceof SkerryError) || error.code !== 'SKERRY_DATA_DIR_IN_USE') throw error
    }
  }
  const remote = new Remote(flags)
  const target = withQuery('/_skerry/backup', { data: data && resolve(data) })
  const response = await remote.ask('GET', target, { unhurried: true })
  return writeBackup(dir, remote.bodyOf(response), reached)
}

async function restore(dir: string, { data }: RestoreFlags): Promise<void> {
  const progress = new Progress('records', undefined)
  const manifest = await restoreBackup(dir, data, (records) => progress.reach(records)).finally(
    () => progress.end(),
  )
  process.stdout.write(`${JSON.stringify({ event: 'restored', data, ...manifest })}\n`)
}
