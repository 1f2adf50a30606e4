/** A listener; its promise, if it returns one, is the emitter's concern only where it says so. */
export type Listener<Args extends readonly unknown[]> = (...args: Args) => unknown

/**
 * Named events with typed arguments: the few verbs of Node's EventEmitter that users of alldata
 * know, without the dependency on Node.
 */
export class Emitter<Events extends Record<keyof Events, readonly unknown[]>> {
  readonly #listeners = new Map<keyof Events, readonly Listener<never>[]>()

  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    this.#listeners.set(name, [...this.listeners(name), listener])
    return this
  }

  off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    const kept = this.listeners(name).filter((other) => other !== listener)
    this.#listeners.set(name, kept)
    return this
  }

  once<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    const first: Listener<Events[Name]> = (...args) => {
      this.off(name, first)
      return listener(...args)
    }
    return this.on(name, first)
  }

  /** The listeners of `name` at this moment. */
  protected listeners<Name extends keyof Events>(name: Name): readonly Listener<Events[Name]>[] {
    return (this.#listeners.get(name) as readonly Listener<Events[Name]>[] | undefined) ?? []
  }

  /** Calls every listener; what they return or promise is not waited for. */
  protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of this.listeners(name)) listener(...args)
  }
}
