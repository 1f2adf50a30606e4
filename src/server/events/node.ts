import { hostname } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Env } from '../../core/env.ts'
import { Coordinator } from '../../events/coordinator.ts'
import { eventLine } from '../../events/export.ts'
import { HttpTransport } from '../../events/http/transport.ts'
import { createKeyGenerator, type KeyGenerator } from '../../events/key.ts'
import { openEventLog, type EventLog } from '../../events/log.ts'
import { followMembers } from '../../events/members.ts'
import { Tail } from '../../events/tail.ts'
import { backupBytes } from '../../store/backup.ts'
import type { Engine } from '../../store/engine.ts'
import { openLevelEngine } from '../../store/level.ts'
import { MemoryEngine } from '../../store/memory.ts'
import type { BackupPart } from '../data/backup.ts'
import { eventRoutes } from './routes.ts'
import type { Logger } from '../log.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'
import type { LiveStream, Streams } from './streams.ts'
import type { ResolvedServerEvents } from './options.ts'

/** What the events of a node work with. */
export interface EventNodeParts {
  readonly env: Env
  readonly logger: Logger
  /** Of the node: its name among the members of the cluster. */
  readonly id: string
  readonly options: ResolvedServerEvents
  /** Of requests to other nodes. */
  readonly headers: PeerHeaders
  /** What others are shown over TLS. */
  readonly tls: PeerTls | undefined
  /** Directory of the node's data; undefined: in memory. */
  readonly directory: string | undefined
}

interface Opened {
  /** Of the log. */
  readonly engine: Engine
  /** Of hints and list. */
  readonly hints: Engine
  readonly log: EventLog
  readonly transport: HttpTransport
  readonly coordinator: Coordinator
}

/** The events of a server: its log, its coordinator, and peers as the cluster has them. */
export class EventNode {
  readonly coordinator: Coordinator
  readonly log: EventLog
  readonly #parts: EventNodeParts
  readonly #opened: Opened
  readonly #generateKey: KeyGenerator

  /** Use {@link openEventNode}. */
  constructor(parts: EventNodeParts, opened: Opened) {
    this.#parts = parts
    this.#opened = opened
    this.log = opened.log
    this.coordinator = opened.coordinator
    const { env, id, logger } = parts
    const node = `${hostname()} ${id}`
    this.#generateKey = createKeyGenerator({ env, process: process.pid, node })
    this.coordinator.on('error', (error) => logger.warn({ err: error }, 'events'))
    this.coordinator.on('conflict', (key, nodes) => {
      logger.error({ key, nodes }, 'nodes hold different events under one key')
    })
    this.coordinator.on('handedOff', (peer, events) => {
      logger.info({ peer, events }, 'handed over what was kept for a node')
    })
    this.log.on('error', (error) => logger.error({ err: error }, 'event log'))
    this.log.on('intervalClosed', (interval) => logger.info({ interval }, 'interval closed'))
  }

  /** From now on the peers are the members of the cluster. */
  follow(cluster: Cluster): void {
    const follow = followMembers(this.coordinator, this.#parts.id)
    for (const type of ['joined', 'left', 'died', 'revived'] as const) {
      cluster.on(type, () => follow(cluster.members()))
    }
    follow(cluster.members())
  }

  /** Adds the routes: those of `eventRoutes`, and `GET /_skerry/events/tail?from=`. */
  routes(app: FastifyInstance, streams: Streams): void {
    const { coordinator, log } = this
    eventRoutes(app, { coordinator, log, generateKey: this.#generateKey })
    app.get<{ Querystring: { from?: string } }>('/_skerry/events/tail', async (request, reply) => {
      const { env, logger } = this.#parts
      const failed = (error: unknown) => logger.warn({ err: error }, 'tail of events')
      const tail = new Tail(coordinator, { env, from: request.query.from, failed })
      const stream = streams.begin(reply, () => tail.close())
      void tell(tail, stream)
    })
  }

  /**
   * What it keeps, as the bytes of a backup. Hints and list come first: of what they say that this
   * node has, nothing must be missing from the log.
   */
  backup(): BackupPart[] {
    const { engine, hints } = this.#opened
    return [
      ['hints', backupBytes(hints)],
      ['events', backupBytes(engine)],
    ]
  }

  /** Waits for the puts on their way; hints and the list are kept for the next run. */
  async close(): Promise<void> {
    const { engine, hints, log, transport, coordinator } = this.#opened
    await coordinator.close()
    log.close()
    transport.close()
    for (const opened of [engine, hints]) await opened.close()
  }
}

async function tell(tail: Tail, stream: LiveStream): Promise<void> {
  for await (const batch of tail.batches()) {
    stream.send(batch.map(eventLine).join('').trimEnd())
    await stream.drained()
  }
  stream.end()
}

/** @throws SKERRY_DATA_DIR_IN_USE, SKERRY_DATA_DIR_UNREADABLE */
export async function openEventNode(parts: EventNodeParts): Promise<EventNode> {
  const { env, id, options, directory, headers, tls } = parts
  const engines: Engine[] = []
  const open = async (name: string): Promise<Engine> => {
    const opened =
      directory === undefined ? new MemoryEngine() : await openLevelEngine(join(directory, name))
    engines.push(opened)
    return opened
  }
  try {
    const { interval, closeGraceMs } = options
    const engine = await open('events')
    const log = await openEventLog(engine, { env, interval, closeGraceMs })
    const hints = await open('hints')
    const transport = new HttpTransport({ headers, tls })
    const coordinator = new Coordinator(log, {
      ...options.coordinator,
      ...{ env, id, transport, engine: hints },
    })
    return new EventNode(parts, { engine, hints, log, transport, coordinator })
  } catch (error) {
    for (const opened of engines) await opened.close()
    throw error
  }
}
