import { skerryError } from '../../index.ts'
import { compare } from './comparison.ts'
import { until } from './condition.ts'
import { loaded } from './countries.ts'
import { type Trio, diverge } from './divergence.ts'
import { Journal } from './journal.ts'
import type { Listing } from './listing.ts'
import type { NodeProcess } from './node.ts'
import type { LinkProxy } from './proxy.ts'
import { type Screen, count, duration } from './screen.ts'
import { Writer } from './writer.ts'

/** Writes of the first load that are under way at a time. */
const LOAD_WIDTH = 32

/** What happens to the three nodes once they run: load, cut, diverge, heal, compare. */
export class Story {
  readonly #screen: Screen
  readonly #nodes: Trio<NodeProcess>
  readonly #proxy: LinkProxy
  readonly #journal = new Journal()
  readonly #writers: Trio<Writer>

  constructor(screen: Screen, nodes: Trio<NodeProcess>, proxy: LinkProxy) {
    this.#screen = screen
    this.#nodes = nodes
    this.#proxy = proxy
    this.#writers = {
      leader: new Writer(nodes.leader, this.#journal),
      north: new Writer(nodes.north, this.#journal),
      south: new Writer(nodes.south, this.#journal),
    }
  }

  /**
   * Tells it from the start.
   * @throws SKERRY_DEMO_FAILED if the nodes don't come to agree, or anything is lost
   */
  async tell(): Promise<void> {
    await this.#load()
    await this.#cut()
    await this.#heal()
    this.#screen.step('Compare what they show with every write that was acknowledged')
    const names = this.#all().map(({ name }) => name)
    compare(this.#screen, this.#journal, names, await this.#listings())
  }

  async #load(): Promise<void> {
    this.#screen.step(`Load ${loaded.length} countries into the leader, over REST`)
    const startMs = performance.now()
    await this.#write(new Writer(this.#nodes.leader, this.#journal))
    const took = duration(performance.now() - startMs)
    const lagMs = await until('north and south have it all', () => this.#agree())
    const [, north, south] = (await this.#listings()).map(({ entries }) => entries.size)
    this.#screen.table([
      [
        'leader',
        `${loaded.length} written in ${took}, each on its disk before it was acknowledged`,
      ],
      ['north', `${north} arrived`],
      ['south', `${south} arrived; seen on both ${duration(lagMs)} after the last write`],
    ])
  }

  async #write(leader: Writer): Promise<void> {
    const bar = this.#screen.progress(loaded.length)
    const queue = loaded.values()
    const work = async (): Promise<void> => {
      for (const country of queue) {
        await leader.create(country)
        bar.done()
      }
    }
    try {
      await Promise.all(Array.from({ length: LOAD_WIDTH }, work))
    } finally {
      bar.end()
    }
  }

  async #cut(): Promise<void> {
    const screen = this.#screen
    screen.step('Cut the leader off: connections to it are reset, new ones refused')
    const dropped = this.#proxy.cut()
    screen.line(`${count(dropped, 'link')} dropped. All three run on, each by itself:`)
    await diverge(this.#writers)
    const did = this.#all().map(({ name, tally }) => {
      const { created, edited, deleted, slowestMs } = tally
      const counts = [`${created} created`, `${edited} edited`, `${deleted} deleted`]
      return [name, ...counts, `slowest answer ${duration(slowestMs)}`]
    })
    screen.table(did)
    await until('the nodes call in vain', async () => this.#proxy.refused >= dropped)
    const listings = await this.#listings()
    if (new Set(listings.map(({ digest }) => digest)).size < listings.length) {
      throw skerryError('DEMO_FAILED', 'two nodes show the same although nothing links them')
    }
    screen.line()
    screen.line(
      `Calls to the leader refused so far: ${this.#proxy.refused}. The three lists differ:`,
    )
    const rows = this.#all().map(({ name }, at) => {
      const { entries, digest } = listings[at]!
      return [name, `${entries.size} entries`, `sha-256 ${digest.slice(0, 16)}…`]
    })
    screen.table(rows)
  }

  async #heal(): Promise<void> {
    this.#screen.step('Heal the link, and wait until all three show the same')
    this.#proxy.heal()
    const tookMs = await until('the three nodes show the same', () => this.#agree())
    this.#screen.line(`They agree ${duration(tookMs)} after the link was back.`)
  }

  async #agree(): Promise<boolean> {
    const digests = (await this.#listings()).map(({ digest }) => digest)
    return new Set(digests).size === 1
  }

  #listings(): Promise<Listing[]> {
    return Promise.all(this.#all().map((writer) => writer.list()))
  }

  #all(): Writer[] {
    const { leader, north, south } = this.#writers
    return [leader, north, south]
  }
}
