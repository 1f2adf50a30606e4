import { expect, test } from 'vitest'
import { Random } from '../../sim/random.ts'
import { Client } from './client.ts'
import { runningNode } from './running.ts'

/** The same code must be judged alike on each day; SKERRY_SEED plays another crowd. */
const SEED = Number(process.env['SKERRY_SEED'] ?? 20_778)
const STEPS = 600
const QUIET_EVERY = 100
const MAX_CLIENTS = 12
const PATTERNS = ['box/*', 'box/*', 'box/1', '*/2', 'big/*']
const MISSING = { created: 0, updated: 0, index: '', data: {} }

interface Member {
  readonly pattern: string
  readonly client: Client
}

/** Real clients of a real node, some of them gone for a while. */
class Crowd {
  readonly #url: string
  readonly #random = new Random(SEED)
  readonly #gone: Member[] = []
  #members: Member[] = []
  #pending: Promise<unknown>[] = []

  constructor(url: string) {
    this.#url = url
  }

  async step(): Promise<void> {
    const random = this.#random
    const draw = random.below(20)
    if (draw < 8) this.#write()
    else if (draw < 10) this.#send('DELETE', random.pick(['box/*', 'box/1', 'box/2', '*']))
    else if (draw < 13) this.#send('GET', random.pick(PATTERNS))
    else if (draw < 15) await this.#join(random.pick(PATTERNS))
    else if (draw < 17) this.#drop()
    else if (draw < 19) await this.#resume()
    else await Promise.all(this.#pending)
  }

  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
    for (const { pattern, client } of this.#members) {
      const response = await fetch(`${this.#url}/${pattern}`)
      const truth: unknown = response.status === 404 ? MISSING : await response.json()
      await expect
        .poll(() => client.watcher.copy, { message: `${pattern}, SKERRY_SEED=${SEED}` })
        .toEqual(truth)
    }
  }

  fill(count: number): void {
    for (let n = 0; n < count; n++) this.#send('POST', `big/${n}`, `{"n":${n}}`)
  }

  #write(): void {
    const random = this.#random
    const body = JSON.stringify({ [random.pick(['a', 'b'])]: random.below(100) })
    const path = random.chance(0.3) ? `big/${random.below(200)}` : `box/${random.below(6)}`
    if (random.chance(0.2)) this.#send('POST', 'box/*', body)
    else this.#send(random.chance(0.3) ? 'PATCH' : 'POST', path, body)
  }

  /** A patch of what is not there and a read of it are refused, as they should be. */
  #send(method: string, path: string, body?: string): void {
    const sending = fetch(`${this.#url}/${path}`, { method, ...(body !== undefined && { body }) })
    this.#pending.push(
      sending.then(async (response) => {
        await response.text()
        expect([200, 204, 404]).toContain(response.status)
      }),
    )
  }

  async #join(pattern: string): Promise<void> {
    if (this.#members.length >= MAX_CLIENTS) return this.#drop()
    this.#members.push({ pattern, client: await Client.open(this.#url, pattern) })
  }

  #drop(): void {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    if (member === undefined) return
    member.client.socket.terminate()
    if (member.client.watcher.version !== undefined) this.#gone.push(member)
  }

  async #resume(): Promise<void> {
    const [gone] = this.#gone.splice(this.#random.below(this.#gone.length), 1)
    if (gone === undefined || this.#members.length >= MAX_CLIENTS) return
    const { pattern, client } = gone
    const path = `${pattern}?v=${client.watcher.version}`
    const back = await Client.open(this.#url, path, {}, client.watcher.successor())
    this.#members.push({ pattern, client: back })
  }
}

test(`over sockets, ${STEPS} steps of seed ${SEED}: every subscriber ends equal to the server`, async () => {
  const { url } = await runningNode()
  const crowd = new Crowd(url)
  crowd.fill(200)
  for (let n = 1; n <= STEPS; n++) {
    await crowd.step()
    if (n % QUIET_EVERY === 0) await crowd.settle()
  }
})
