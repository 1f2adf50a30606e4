import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** An entry as Go peers keep it. Times fit into a bigint only. */
interface GoEntry {
  created: bigint
  updated: bigint
  /** JSON text. */
  data: string
}

/** How a hand-played peer is set up. */
export interface GoPeerOptions {
  readonly keys: readonly string[]
  /** `host:port` of its leader; without one it leads. */
  readonly leader?: string
  /** `host:port` of the nodes it tells, if it leads. */
  readonly nodes?: () => readonly string[]
  /** How far its clock is off, in ms. */
  readonly clockOffsetMs?: number
}

/**
 * A Go peer played by hand: it does what the protocol's description says that pivot does, faults included. It
 * compares one `lastEntry` a key, fetches whole lists, deletes what they lack, ignores failed pushes, looks for news
 * before it answers any read, and takes any POST and DELETE whatever its time. It shows how a node gets along with such a peer; it proves nothing about Go.
 */
export class GoPeer {
  readonly entries = new Map<string, GoEntry>()
  /** The last delete of a key: one time, gone with the next write. */
  readonly deletes = new Map<string, bigint>()
  readonly requests: string[] = []
  /** What it answers instead of doing anything: a status for each request that begins so. */
  readonly broken = new Map<string, { status: number; body: string }>()
  readonly #options: GoPeerOptions
  #server: Server | undefined
  #port = 0
  #last = 0n

  constructor(options: GoPeerOptions) {
    this.#options = options
  }

  /** One that serves on a free port until the test ends. */
  static async start(options: GoPeerOptions): Promise<GoPeer> {
    const peer = new GoPeer(options)
    await peer.listen()
    onTestFinished(() => peer.stop())
    return peer
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  get url(): string {
    return `http://${this.address}`
  }

  /** Serves, at the port it had before. */
  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error))
      })
    })
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Nobody reaches it; its memory stays. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }

  /** All in memory is gone, as after a restart. */
  forget(): void {
    this.entries.clear()
    this.deletes.clear()
  }

  /** A local write. */
  async set(path: string, data: string): Promise<void> {
    const held = this.entries.get(path)
    const now = this.#now()
    const entry =
      held === undefined
        ? { created: now, updated: 0n, data }
        : { created: held.created, updated: now, data }
    this.entries.set(path, entry)
    this.deletes.delete(this.#baseOf(path))
    await this.#announce(path)
  }

  /** A local delete. */
  async delete(path: string): Promise<void> {
    const now = this.#now()
    this.entries.delete(path)
    this.deletes.set(this.#baseOf(path), now)
    await this.#announce(path, now)
  }

  /** Whatever is found at the path: JSON text. */
  data(path: string): string | undefined {
    return this.entries.get(path)?.data
  }

  /** A read, before which it looks for news. */
  async read(path: string): Promise<string | undefined> {
    await this.pull(this.#keyOf(path))
    return this.data(path)
  }

  /** Fetches a key if the leader's `lastEntry` is above its own. */
  async pull(key: string): Promise<void> {
    const base = baseOf(key)
    const theirs = await this.#leaderActivity(base)
    if (theirs === undefined || theirs <= this.activity(base)) return
    await this.#fetch(key, theirs)
  }

  /** Two-way, as it does on its start if it is told to. */
  async synchronize(): Promise<void> {
    for (const key of this.#options.keys) {
      const base = baseOf(key)
      const theirs = await this.#leaderActivity(base)
      if (theirs === undefined) continue
      const mine = this.activity(base)
      if (mine > theirs) await this.#sendAll(key, theirs)
      else if (mine < theirs) await this.#fetch(key, theirs)
    }
  }

  activity(base: string): bigint {
    let last = this.deletes.get(base) ?? 0n
    for (const [path, { created, updated }] of this.entries) {
      if (this.#baseOf(path) !== base) continue
      for (const time of [created, updated]) if (time > last) last = time
    }
    return last
  }

  async #fetch(key: string, lastEntry: bigint): Promise<void> {
    const listed = await this.#list(key)
    if (listed === undefined) {
      if (key.endsWith('/*')) return
      // Any failure of a single key reads as: it is not there.
      this.entries.delete(key)
      this.deletes.delete(key)
      return
    }
    let news = false
    for (const path of [...this.entries.keys()]) {
      if (this.#keyOf(path) === key && !listed.has(path)) news = this.entries.delete(path)
    }
    for (const [path, entry] of listed) {
      const held = this.entries.get(path)
      if (held !== undefined && entry.updated <= held.updated) continue
      this.entries.set(path, entry)
      news = true
    }
    if (news && key.endsWith('/*')) this.deletes.set(baseOf(key), lastEntry)
    else if (news) this.deletes.delete(key)
  }

  async #sendAll(key: string, theirActivity: bigint): Promise<void> {
    const listed = (await this.#list(key)) ?? new Map<string, GoEntry>()
    for (const [path, entry] of this.entries) {
      if (this.#keyOf(path) !== key) continue
      const theirs = listed.get(path)
      const isNews =
        theirs === undefined
          ? theirActivity === 0n || entry.created > theirActivity
          : entry.updated > theirs.updated
      if (isNews) await this.#post(path, entry)
    }
    for (const [path, { updated }] of listed) {
      if (!this.entries.has(path)) await this.#sendDelete(path, updated)
    }
  }

  async #announce(path: string, deleted?: bigint): Promise<void> {
    if (this.#options.leader === undefined) {
      await this.#trigger(this.#keyOf(path), undefined)
    } else if (deleted === undefined) {
      await this.#post(path, this.entries.get(path)!)
    } else {
      await this.#sendDelete(path, deleted)
    }
  }

  async #trigger(key: string, except: string | undefined): Promise<void> {
    const nodes = (this.#options.nodes?.() ?? []).filter((node) => node !== except)
    await Promise.allSettled(
      nodes.map((node) => fetch(`http://${node}/_pivot/synchronize/pivot?key=${key}`)),
    )
  }

  async #post(path: string, entry: GoEntry): Promise<void> {
    await this.#call('POST', `/_pivot/pivot/${path}`, jsonOf(path, entry))
  }

  async #sendDelete(path: string, time: bigint): Promise<void> {
    await this.#call('DELETE', `/_pivot/pivot/${path}/${time}`)
  }

  async #leaderActivity(base: string): Promise<bigint | undefined> {
    const text = await this.#call('GET', `/_pivot/activity/${base}`)
    const [, digits] = /"lastEntry":(\d+)/.exec(text ?? '') ?? []
    return digits === undefined ? undefined : BigInt(digits)
  }

  async #list(key: string): Promise<Map<string, GoEntry> | undefined> {
    const text = await this.#call('GET', `/_pivot/pivot/${key}`)
    if (text === undefined) return undefined
    const entries = new Map<string, GoEntry>()
    for (const part of text.matchAll(ENTRY)) {
      const [, created = '', updated = '', index = '', data = ''] = part
      const path = key.endsWith('/*') ? `${baseOf(key)}/${index}` : key
      entries.set(path, { created: BigInt(created), updated: BigInt(updated), data })
    }
    return entries
  }

  /** The answer's body if it is a 200; what goes wrong is nothing to it. */
  async #call(method: string, route: string, body?: string): Promise<string | undefined> {
    try {
      const headers = { 'x-pivot-originator': this.address }
      const url = `http://${this.#options.leader}${route}`
      const answer = await fetch(url, { method, headers, ...(body !== undefined && { body }) })
      const text = await answer.text()
      return answer.status === 200 ? text : undefined
    } catch {
      return undefined
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    this.requests.push(`${method} ${url}`)
    let body = ''
    for await (const chunk of request) body += String(chunk)
    for (const [start, { status, body: said }] of this.broken) {
      if (`${method} ${url}`.startsWith(start)) return void response.writeHead(status).end(said)
    }
    const [path = '', query = ''] = url.split('?')
    const answer = await this.#answer(method, path, { query, body, headers: request.headers })
    response.writeHead(answer.status).end(answer.body)
  }

  async #answer(
    method: string,
    path: string,
    asked: { query: string; body: string; headers: IncomingMessage['headers'] },
  ): Promise<{ status: number; body: string }> {
    const originator = String(asked.headers['x-pivot-originator'] ?? '')
    if (path === '/') return OK
    if (path === '/_pivot/version') return { status: 200, body: '{"protocol":"2.0"}' }
    if (path === '/_pivot/synchronize/pivot') {
      if (this.#options.leader === undefined) return { status: 400, body: 'no syncers configured' }
      await this.pull(new URLSearchParams(asked.query).get('key') ?? '')
      return OK
    }
    const activity = /^\/_pivot\/activity\/(.+)$/.exec(path)?.[1]
    if (activity !== undefined) {
      return { status: 200, body: `{"lastEntry":${this.activity(activity)}}` }
    }
    const target = /^\/_pivot\/pivot\/(.+)$/.exec(path)?.[1] ?? ''
    if (method === 'GET') {
      // A peer's read is a read too: what its leader lacks is gone before it answers.
      if (this.#options.leader !== undefined) await this.pull(target)
      return this.#get(target)
    }
    if (method === 'POST') return this.#take(target, asked.body, originator)
    return this.#drop(target, originator)
  }

  #get(target: string): { status: number; body: string } {
    if (!target.endsWith('/*')) {
      const entry = this.entries.get(target)
      if (entry === undefined) return { status: 500, body: 'ooo: not found' }
      return { status: 200, body: jsonOf(target, entry) }
    }
    const listed = [...this.entries].filter(([path]) => this.#keyOf(path) === target)
    return {
      status: 200,
      body: `[${listed.map(([path, entry]) => jsonOf(path, entry)).join(',')}]`,
    }
  }

  async #take(path: string, body: string, originator: string) {
    // Its routes know letters and digits only.
    if (!/^[a-zA-Z*\d/]+$/.test(path)) return { status: 404, body: '404 page not found' }
    const [, created = '', updated = '', , data = ''] = [...body.matchAll(ENTRY)][0] ?? []
    this.entries.set(path, { created: BigInt(created), updated: BigInt(updated), data })
    this.deletes.delete(this.#baseOf(path))
    void this.#trigger(this.#keyOf(path), originator)
    return OK
  }

  #drop(target: string, originator: string) {
    const slash = target.lastIndexOf('/')
    const path = target.slice(0, slash)
    if (!/^[a-zA-Z*\d/]+$/.test(path)) return { status: 404, body: '404 page not found' }
    this.deletes.set(this.#baseOf(path), BigInt(target.slice(slash + 1)))
    if (!this.entries.delete(path)) return { status: 500, body: 'ooo: not found' }
    void this.#trigger(this.#keyOf(path), originator)
    return OK
  }

  #keyOf(path: string): string {
    const glob = `${path.slice(0, path.lastIndexOf('/'))}/*`
    return this.#options.keys.includes(path) ? path : glob
  }

  #baseOf(path: string): string {
    return baseOf(this.#keyOf(path))
  }

  #now(): bigint {
    const time = BigInt(Date.now() + (this.#options.clockOffsetMs ?? 0)) * 1_000_000n
    this.#last = time > this.#last ? time : this.#last + 1n
    return this.#last
  }
}

const OK = { status: 200, body: '' }

/** An entry in JSON; the data of these tests holds no braces in braces. */
const ENTRY =
  /"created":(\d+),"updated":(\d+),"index":"([^"]*)",(?:"path":"[^"]*",)?"data":("[^"]*"|\{[^}]*\}|[^,{}]+)\}/g

function jsonOf(path: string, { created, updated, data }: GoEntry): string {
  const index = path.slice(path.lastIndexOf('/') + 1)
  return `{"created":${created},"updated":${updated},"index":"${index}","data":${data}}`
}

function baseOf(key: string): string {
  return key.replace('/*', '')
}
