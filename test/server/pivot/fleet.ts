import { onTestFinished } from 'vitest'
import type { Env } from '../../../src/core/env.ts'
import { createServer, type Server, type ServerOptions } from '../../../src/index.ts'
import { machineEnv } from '../../../src/server/env.ts'
import { Gate } from '../../interop/gate.ts'

/** The keys that a fleet shares. */
export const KEYS = ['users/*', 'settings']

/** How the nodes of a fleet speak with each other: both by real sockets. */
export const TRANSPORTS = [
  { transport: 'the native link', nativeLink: true },
  { transport: '/_pivot alone', nativeLink: false },
] as const

export type TransportChoice = Pick<(typeof TRANSPORTS)[number], 'nativeLink'>

/** A wall clock that is off by as much as a test says. */
export class SkewedClock {
  offsetMs = 0
  readonly env: Env = {
    ...machineEnv,
    now: () => machineEnv.now() + BigInt(this.offsetMs) * 1_000_000n,
  }
}

/** How one server of a fleet differs from the others. */
export interface MemberOptions {
  readonly server?: ServerOptions
  readonly clock?: SkewedClock
}

/** A server that can be closed and started anew, at the addresses it had. */
export class Member {
  readonly id: string
  /** How the leader reaches the node, and the other way around. */
  readonly gates: Gate[] = []
  readonly #options: ServerOptions
  readonly #env: Env
  #server: Server | undefined

  constructor(id: string, options: ServerOptions, env: Env) {
    this.id = id
    this.#options = options
    this.#env = env
  }

  get server(): Server {
    return this.#server!
  }

  /** The port that it serves at; 1, where nobody does, while it is closed. */
  get port(): number {
    return this.#server === undefined ? 1 : Number(new URL(this.#server.url).port)
  }

  async start(options: ServerOptions = {}): Promise<Server> {
    const server = await createServer({ ...this.#options, ...options }, this.#env)
    onTestFinished(() => server.close())
    await server.listen()
    this.#server = server
    return server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.close()
  }

  async cut(): Promise<void> {
    for (const gate of this.gates) await gate.cut()
  }

  async heal(): Promise<void> {
    for (const gate of this.gates) await gate.heal()
  }
}

/** A leader and its nodes, each behind gates of its own. */
export class Fleet {
  readonly leader: Member
  readonly nodes: Member[] = []
  readonly #base: ServerOptions

  constructor({ nativeLink }: TransportChoice, { server, clock }: MemberOptions = {}) {
    this.#base = {
      ...{ port: 0, memory: true, keys: KEYS, nodesKey: 'things/*' },
      ...{ nodeCheckIntervalMs: 50, nativeLink },
    }
    this.leader = new Member('leader', this.#options('leader', server), envOf(clock))
  }

  /** A leader with nodes, in step as far as there is anything to be in step with. */
  static async start(choice: TransportChoice, members: readonly MemberOptions[]): Promise<Fleet> {
    const [leader, ...nodes] = members
    const fleet = new Fleet(choice, leader)
    await fleet.leader.start()
    for (const node of nodes) await fleet.join(node)
    return fleet
  }

  get servers(): Server[] {
    return [this.leader, ...this.nodes].map(({ server }) => server)
  }

  /** Adds a node, and registers it. */
  async join({ server, clock }: MemberOptions = {}): Promise<Member> {
    const id = `node${this.nodes.length + 1}`
    const toLeader = await Gate.open(() => this.leader.port)
    const toNode: Gate = await Gate.open(() => node.port)
    const links = { leader: `http://${toLeader.address}`, advertise: toNode.address }
    const node = new Member(id, this.#options(id, { ...links, ...server }), envOf(clock))
    node.gates.push(toNode, toLeader)
    this.nodes.push(node)
    await node.start()
    await this.register(node)
    return node
  }

  async register(node: Member): Promise<void> {
    const { port } = node.gates[0]!
    await this.leader.server.state.set(`things/${node.id}`, { ip: '127.0.0.1', port })
  }

  #options(id: string, options: ServerOptions = {}): ServerOptions {
    return { ...this.#base, id, ...options }
  }
}

function envOf(clock: SkewedClock | undefined): Env {
  return clock?.env ?? machineEnv
}
