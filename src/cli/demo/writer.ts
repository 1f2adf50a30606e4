import { skerryError } from '../../index.ts'
import { type Country, LIST } from './countries.ts'
import type { Journal, Write } from './journal.ts'
import { type Listing, readEntry, readListing } from './listing.ts'

/** What a writer has done so far. */
export interface Tally {
  created: number
  edited: number
  deleted: number
  /** The longest that an answer to a write took. */
  slowestMs: number
}

const NS_PER_MS = 1_000_000n

/** Reads and writes one node over REST, and notes in the journal what was acknowledged. */
export class Writer {
  readonly name: string
  readonly #url: string
  readonly #journal: Journal
  readonly tally: Tally = { created: 0, edited: 0, deleted: 0, slowestMs: 0 }

  constructor({ name, url }: { name: string; url: string }, journal: Journal) {
    this.name = name
    this.#url = url
    this.#journal = journal
  }

  async create({ path, data }: Country): Promise<void> {
    await this.#set(path, JSON.stringify(data), 'created')
  }

  async edit({ path, data }: Country): Promise<void> {
    await this.#set(path, JSON.stringify({ ...data, editedOn: this.name }), 'edited')
  }

  async delete({ path }: Country): Promise<void> {
    const from = BigInt(Date.now()) * NS_PER_MS
    await this.#timed('DELETE', path)
    // The clock counts single nanoseconds within the millisecond that it reads.
    const to = BigInt(Date.now() + 1) * NS_PER_MS
    this.#note({ path, by: this.name, kind: 'deleted', stamp: [from, to] })
  }

  /** Everything that the node shows. */
  async list(): Promise<Listing> {
    return readListing(await this.#request('GET', LIST))
  }

  async #set(path: string, data: string, kind: 'created' | 'edited'): Promise<void> {
    await this.#timed('POST', path, data)
    const { stamp } = readEntry(await this.#request('GET', path))
    this.#note({ path, by: this.name, kind, stamp: [stamp, stamp], data })
  }

  #note(write: Write): void {
    this.#journal.add(write)
    this.tally[write.kind]++
  }

  async #timed(method: string, path: string, body?: string): Promise<void> {
    const startMs = performance.now()
    await this.#request(method, path, body)
    this.tally.slowestMs = Math.max(this.tally.slowestMs, performance.now() - startMs)
  }

  /** @throws SKERRY_DEMO_FAILED if the node doesn't answer, or not with a 2xx */
  async #request(method: string, path: string, body?: string): Promise<string> {
    const response = await fetch(`${this.#url}/${path}`, { method, ...(body && { body }) })
    const text = await response.text()
    if (response.ok) return text
    throw skerryError('DEMO_FAILED', `${this.name} answered ${method} ${path} with ${text}`)
  }
}
