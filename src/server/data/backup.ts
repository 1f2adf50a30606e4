import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline as piped } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { supersedeEpochs } from '../../cluster/embedded.ts'
import { messageOf, skerryError, SkerryError, skerryErrorFrom } from '../../core/errors.ts'
import { backupBytes, backupPieces, joinedBackup } from '../../store/backup.ts'
import type { Engine } from '../../store/engine.ts'
import { unpackIdentity } from '../../store/identity.ts'
import { IDENTITY_KEY } from '../../store/layout.ts'
import { openLevelEngine } from '../../store/level.ts'
import { LocalStore } from '../../store/local.ts'
import { machineEnv } from '../env.ts'

/** What `backup.json` says of the backup beside it. */
export interface BackupManifest {
  /** Version of the layout of a backup. One of version 1 has nothing but the store. */
  readonly format: 1 | 2
  /** The node that it was taken from, and the epoch of its store. */
  readonly node: string
  readonly epoch: string
  /** Records in it: entries, feed and indexes, events. */
  readonly records: number
  /** Records by what they are part of: `hints`, `events`, `cluster`, `store`. */
  readonly parts?: Readonly<Record<string, number>>
  /** SHA-256 of the file with the records, in hex. */
  readonly sha256: string
  /** When it was finished: RFC 3339. */
  readonly taken: string
}

/** A part of a backup: its name and its bytes. */
export type BackupPart = [name: string, bytes: AsyncIterable<Uint8Array>]

/** Parts that lie in a directory of their own, in the order in which they are read. */
const BESIDES = ['hints', 'events', 'cluster']
const STORE = 'store'

/**
 * How far a restored registry sets its epochs ahead, in ms: a year, in which rights that were granted
 * since the backup are outrun even if their registry was started anew thousands of times.
 */
const EPOCHS_AHEAD_MS = 366 * 86_400_000

const MANIFEST_FILE = 'backup.json'
const RECORDS_FILE = 'records.msgpack.gz'

/** Called as the work goes on, with the records done so far. */
export type BackupProgress = (records: number) => void

/**
 * Writes a backup into `dir`, which must be empty or not there. Its manifest comes last: a directory
 * without one holds no backup.
 * @param bytes what a node or {@link restingBackup} hands over
 * @throws SKERRY_BACKUP_INVALID if the bytes are cut short, SKERRY_BACKUP_FAILED if the disk fails
 * @example
 * await writeBackup('./monday', restingBackup('./skerry-data'))
 */
export async function writeBackup(
  dir: string,
  bytes: AsyncIterable<Uint8Array>,
  progress: BackupProgress = () => undefined,
): Promise<BackupManifest> {
  await assertVacant(dir)
  try {
    await mkdir(dir, { recursive: true })
    const found = await writeRecords(join(dir, RECORDS_FILE), bytes, progress)
    const manifest: BackupManifest = { format: 2, ...found, taken: new Date().toISOString() }
    await writeFile(join(dir, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`, {
      flush: true,
    })
    return manifest
  } catch (error) {
    await rm(join(dir, RECORDS_FILE), { force: true })
    if (error instanceof SkerryError) throw error
    throw skerryErrorFrom(error, 'BACKUP_FAILED', dir, messageOf(error))
  }
}

/**
 * The bytes of a backup of the data directory of a node that is not running.
 * @throws SKERRY_DATA_DIR_IN_USE if it is running: take the backup from the node then
 */
export async function* restingBackup(data: string): AsyncGenerator<Uint8Array> {
  if (await isVacant(data)) throw skerryError('DATA_DIR_UNREADABLE', data, 'it holds no data')
  const engines: Engine[] = []
  const open = async (dir: string): Promise<Engine> => {
    const engine = await openLevelEngine(dir)
    engines.push(engine)
    return engine
  }
  try {
    const store = await open(data)
    const parts: BackupPart[] = []
    for (const name of BESIDES) {
      const dir = join(data, name)
      if (!(await isVacant(dir))) parts.push([name, backupBytes(await open(dir))])
    }
    yield* joinedBackup([...parts, [STORE, backupBytes(store)]])
  } finally {
    for (const engine of engines) await engine.close()
  }
}

/**
 * Makes the data directory `data` from the backup in `dir`. The node keeps its id and takes a new epoch, so
 * that its peers repair it, instead of believing that it deleted what it lacks.
 * @param data must be empty or not there
 * @throws SKERRY_BACKUP_INVALID, SKERRY_DIR_NOT_EMPTY; then `data` is as it was
 */
export async function restoreBackup(
  dir: string,
  data: string,
  progress: BackupProgress = () => undefined,
): Promise<BackupManifest> {
  const manifest = await readManifest(dir)
  await assertVacant(data)
  const file = join(dir, RECORDS_FILE)
  if ((await sha256(file)) !== manifest.sha256) {
    throw skerryError('BACKUP_INVALID', `${RECORDS_FILE} is not the file that it was`)
  }
  // Made beside it and renamed at the end: there is no half-restored data directory.
  const building = `${data.replace(/[/\\]+$/, '')}.restoring`
  await rm(building, { recursive: true, force: true })
  try {
    await restoreRecords(file, building, progress)
    await rm(data, { recursive: true, force: true })
    await rename(building, data)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  return manifest
}

type Found = Pick<BackupManifest, 'node' | 'epoch' | 'records' | 'parts' | 'sha256'>

async function writeRecords(
  file: string,
  bytes: AsyncIterable<Uint8Array>,
  progress: BackupProgress,
): Promise<Found> {
  const gzip = createGzip()
  const sum = createHash('sha256')
  gzip.on('data', (piece: Uint8Array) => sum.update(piece))
  const written = pipeline(gzip, createWriteStream(file, { flush: true }))
  // Its failure is told when it is awaited below.
  written.catch(() => undefined)
  const records = readRecords(through(bytes, gzip), progress)
  const read = await records.catch((error: unknown) => {
    gzip.destroy()
    throw error
  })
  gzip.end()
  await written
  return { ...read, sha256: sum.digest('hex') }
}

/** Hands the bytes on and writes them, at the pace of the slower of both. */
async function* through(
  bytes: AsyncIterable<Uint8Array>,
  sink: NodeJS.WritableStream & { readonly destroyed: boolean },
): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    if (!sink.write(piece)) {
      await new Promise<void>((resolve, reject) => {
        sink.once('drain', resolve).once('error', reject).once('close', resolve)
      })
    }
    yield piece
  }
}

async function readRecords(bytes: AsyncIterable<Uint8Array>, progress: BackupProgress) {
  let records = 0
  const parts: Record<string, number> = {}
  let identity: ReturnType<typeof unpackIdentity> | undefined
  for await (const [part, items] of backupPieces(bytes)) {
    directoryOf('', part)
    for (const [key, value] of items) {
      if (part === STORE && key === IDENTITY_KEY) identity = unpackIdentity(value)
    }
    records += items.length
    parts[part] = (parts[part] ?? 0) + items.length
    progress(records)
  }
  if (identity === undefined) throw skerryError('BACKUP_INVALID', 'it names no node')
  return { node: identity.nodeId, epoch: identity.epoch, records, parts }
}

async function restoreRecords(
  file: string,
  building: string,
  progress: BackupProgress,
): Promise<void> {
  const engines = new Map<string, Engine>()
  let records = 0
  try {
    // A fault of either stream ends the bytes, and so is told below.
    const bytes = piped(createReadStream(file), createGunzip(), () => undefined)
    for await (const [part, items] of backupPieces(bytes)) {
      const engine = engines.get(part) ?? (await openLevelEngine(directoryOf(building, part)))
      engines.set(part, engine)
      await engine.write(items.map(([key, value]) => ({ key, value })))
      records += items.length
      progress(records)
    }
  } catch (error) {
    if (error instanceof SkerryError) throw error
    throw skerryErrorFrom(error, 'BACKUP_INVALID', messageOf(error))
  } finally {
    for (const engine of engines.values()) await engine.close()
  }
  await supersede(building, engines.has('cluster'))
}

/** What must not come back as it was: the epochs of the store, and those of rights. */
async function supersede(building: string, hasCluster: boolean): Promise<void> {
  const store = await LocalStore.open(await openLevelEngine(building), machineEnv)
  await store.renewEpoch()
  await store.close()
  if (!hasCluster) return
  const engine = await openLevelEngine(directoryOf(building, 'cluster'))
  const registry = await LocalStore.open(engine, machineEnv)
  await registry.renewEpoch()
  await supersedeEpochs(registry, machineEnv, EPOCHS_AHEAD_MS)
  await registry.close()
}

/** @throws SKERRY_BACKUP_INVALID if there is no such part */
function directoryOf(data: string, part: string): string {
  if (part === STORE) return data
  if (BESIDES.includes(part)) return join(data, part)
  throw skerryError('BACKUP_INVALID', `it has a part '${part}', which this version does not know`)
}

async function readManifest(dir: string): Promise<BackupManifest> {
  try {
    const text = await readFile(join(dir, MANIFEST_FILE), 'utf8')
    const manifest = JSON.parse(text) as Partial<BackupManifest>
    const isKnown = manifest.format === 1 || manifest.format === 2
    if (isKnown && typeof manifest.sha256 === 'string') return manifest as BackupManifest
  } catch (error) {
    throw skerryErrorFrom(error, 'BACKUP_INVALID', `${MANIFEST_FILE}: ${messageOf(error)}`)
  }
  throw skerryError('BACKUP_INVALID', `${MANIFEST_FILE} is not one of this version`)
}

async function sha256(file: string): Promise<string> {
  const sum = createHash('sha256')
  try {
    for await (const piece of createReadStream(file)) sum.update(piece as Uint8Array)
  } catch (error) {
    throw skerryErrorFrom(error, 'BACKUP_INVALID', messageOf(error))
  }
  return sum.digest('hex')
}

async function assertVacant(dir: string): Promise<void> {
  if (!(await isVacant(dir))) throw skerryError('DIR_NOT_EMPTY', dir)
}

async function isVacant(dir: string): Promise<boolean> {
  try {
    return (await readdir(dir)).length === 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw skerryErrorFrom(error, 'FILE_FAILED', dir, messageOf(error))
  }
}
