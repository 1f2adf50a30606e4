import type { CancelTimer } from '../src/core/env.ts'
import type { World } from './world.ts'

/**
 * One run of a node's program. What is to happen in it happens only while it lives, and waits while it
 * is paused, as with a machine that hangs or a program that is stopped for a while.
 */
export class Process {
  readonly name: string
  readonly #world: World
  #alive = true
  #backlog: (() => void)[] | undefined
  #pauses = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  get alive(): boolean {
    return this.#alive
  }

  get paused(): boolean {
    return this.#backlog !== undefined
  }

  /** How often it was paused. */
  get pauses(): number {
    return this.#pauses
  }

  /** Has `action` run in this process after `delayMs`. */
  at(delayMs: number, label: string, action: () => void): CancelTimer {
    return this.#world.at(delayMs, label, () => this.#enter(action))
  }

  pause(): void {
    if (this.#backlog === undefined) this.#pauses++
    this.#backlog ??= []
  }

  resume(): void {
    const backlog = this.#backlog ?? []
    this.#backlog = undefined
    for (const action of backlog) this.at(0, '', action)
  }

  /** Nothing of it runs any more. */
  kill(): void {
    this.#alive = false
    this.#backlog = undefined
  }

  #enter(action: () => void): void {
    if (!this.#alive) return
    if (this.#backlog !== undefined) this.#backlog.push(action)
    else action()
  }
}
