import type { Fleet, Process } from './fleet.ts'
import { INTERVAL_MS, MAX_FAILURES } from './fleet.ts'
import type { World } from './world.ts'

/** A death is rightly told this long after the member could last not be reached, at the latest. */
const DEATH_WINDOW_MS = INTERVAL_MS * MAX_FAILURES * 4

/** Watches what must always hold, and judges what must hold after quiet. */
export class Checker {
  readonly violations: string[] = []
  readonly #world: World
  readonly #fleet: Fleet
  /** The highest epoch that anybody held each slot with, as a sink would see it. */
  readonly #epochs = new Map<number, number>()

  constructor(world: World, fleet: Fleet) {
    this.#world = world
    this.#fleet = fleet
  }

  /** C1 No two hold a slot at one moment. C2 A later holder has a higher epoch. */
  watch(process: Process): void {
    process.worker?.on('assigned', ({ slots }) => {
      for (const { slot, epoch } of slots) {
        if (epoch <= (this.#epochs.get(slot) ?? 0)) {
          this.#violate(`C2 slot ${slot} came with epoch ${epoch}, not above the last one`)
        }
        this.#epochs.set(slot, epoch)
        this.#world.note(`${process.host.name} holds ${slot} with ${epoch}`)
      }
      this.checkHolders()
    })
  }

  checkHolders(): void {
    const holders = new Map<number, string>()
    for (const { host, worker } of this.#fleet.processes) {
      if (host.crashed || worker === undefined) continue
      for (const { slot } of worker.rights()) {
        const other = holders.get(slot)
        if (other) this.#violate(`C1 slot ${slot} is held by ${other} and ${host.name}`)
        holders.set(slot, host.name)
      }
    }
  }

  /** C3 Nobody is called dead who could be reached. C4 Deaths and returns take turns. */
  checkDeaths(): void {
    for (const { host, events } of this.#fleet.processes) {
      const dead = new Map<string, boolean>()
      for (const { event } of events) {
        if (event.type === 'left') dead.delete(event.nodeId)
        if (event.type !== 'died' && event.type !== 'revived') continue
        const died = event.type === 'died'
        if (dead.get(event.nodeId) === died) {
          this.#violate(`C4 ${host.name} saw ${event.nodeId} ${event.type} twice`)
        }
        dead.set(event.nodeId, died)
      }
    }
  }

  /** Called whenever somebody is told of a death. */
  checkDeath(member: string): void {
    const impairedAt = this.#fleet.impairedAt.get(member) ?? -Infinity
    if (this.#world.now - impairedAt <= DEATH_WINDOW_MS) return
    this.#violate(`C3 ${member} was called dead, but could be reached all the time`)
  }

  /**
   * After quiet. C5 All processes see the same. C6 Every slot is held by the one it is assigned to.
   * C7 Every key belongs to one member. C8 Who is gone is dead, who is there is alive.
   */
  async checkQuiet(keys: ReadonlySet<string>, buried: string | undefined): Promise<void> {
    const live = this.#fleet.processes.filter(({ host }) => !host.crashed)
    const views = new Set(live.map(({ cluster }) => describe(cluster)))
    if (views.size !== 1) this.#violate(`C5 ${views.size} views: ${[...views].join(' | ')}`)
    this.#checkSlots(live)
    const cluster = live[0]!.cluster
    const found: string[] = []
    for (const { id, status } of cluster.members()) {
      const expected = id === buried ? 'dead' : 'alive'
      if (status !== expected) this.#violate(`C8 ${id} is ${status}, not ${expected}`)
      found.push(...(await cluster.getNodeKeys(id)))
    }
    const all = new Set(found)
    if (found.length !== all.size || all.size !== keys.size) {
      this.#violate(`C7 ${found.length} keys assigned, ${all.size} distinct, of ${keys.size}`)
    }
  }

  #checkSlots(live: readonly Process[]): void {
    const held = new Map<number, string>()
    for (const { host, worker } of live) {
      for (const { slot } of worker?.rights() ?? []) held.set(slot, host.name)
    }
    const owners = this.#fleet.server.ledger.read().owners
    const wrong = owners.flatMap((id, slot) =>
      held.get(slot) === id ? [] : [`${slot}: ${id} but ${held.get(slot) ?? 'nobody'} holds it`],
    )
    if (wrong.length > 0) this.#violate(`C6 ${wrong.length} slots, as ${wrong[0]!}`)
  }

  #violate(text: string): void {
    this.violations.push(`at ${this.#world.now.toFixed(1)} ms: ${text}`)
  }
}

function describe(cluster: Process['cluster']): string {
  return cluster
    .members()
    .map(({ id, status, draining }) => `${id} ${status}${draining ? ' draining' : ''}`)
    .join(', ')
}
