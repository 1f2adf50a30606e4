import { fastify, type FastifyInstance, type FastifyServerFactory } from 'fastify'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import type { Cluster } from '../cluster/cluster.ts'
import type { Env } from '../core/env.ts'
import { EVERYTHING } from '../core/path.ts'
import { messageOf, skerryError, skerryErrorFrom } from '../core/errors.ts'
import type { Coordinator } from '../events/coordinator.ts'
import { STATUS_PATH } from '../core/path.ts'
import type { State } from '../state/state.ts'
import type { ValueState } from '../state/values.ts'
import type { Store } from '../store/store.ts'
import type { Pivot } from '../sync/pivot/pivot.ts'
import type { MayShare } from '../sync/link.ts'
import { Sync } from '../sync/sync.ts'
import type { Principal, Verb } from './access/access.ts'
import { hostAndPort, isWildcard, serverUrl } from './address.ts'
import { SocketChannel } from './sockets/channel.ts'
import type { ClusterNode } from './cluster/node.ts'
import type { PeerHeaders } from './access/credentials.ts'
import { answerClientError, answerFailure, failureOf } from './failure.ts'
import { Dashboard } from './pages/dashboard.ts'
import { frontRoute } from './pages/front.ts'
import { healthRoutes, type NodeStatus, storeStatus } from './health/health.ts'
import { InFlight } from './health/inflight.ts'
import { LagWatch } from './health/lag.ts'
import { LiveSockets } from './sockets/live.ts'
import { LinkLog } from './link-log.ts'
import { listenerFactory } from './listener.ts'
import { Links } from './links.ts'
import { type Logger, silent } from './log.ts'
import { Metrics, type MetricsSource } from './health/metrics.ts'
import type { ResolvedOptions } from './options.ts'
import { Routes } from './openapi/document.ts'
import { patienceOf } from './patience.ts'
import { Perimeter } from './access/perimeter.ts'
import { PivotSide } from './pivot/side.ts'
import { pivotStatus } from './pivot/status.ts'
import { METHODS, restRoutes } from './rest/rest.ts'
import { ClientSockets } from './sockets/socket.ts'
import { stateOn } from './state.ts'
import { syncOptions } from './sync-options.ts'
import { tombstoneRoutes } from './data/tombstones.ts'
import { transferRoutes } from './data/transfer.ts'
import { Upgrades } from './sockets/upgrade.ts'
import { VERSION } from './version.ts'
import { originForm } from './target.ts'

/** How long a stop waits for requests in flight. */
const DRAIN_MS = 5000

/** How long a stop waits for sockets to be closed by the other side too. */
const CLOSE_MS = 2000

/** How long a start waits for the node to join its cluster; it goes on trying afterwards. */
const JOIN_MS = 5000

/** What a node has besides its store. */
interface ServerParts {
  readonly perimeter: Perimeter
  /** What it has of the pivot protocol. */
  readonly side: PivotSide
  /** Undefined: it is in no cluster. */
  readonly clusterNode: ClusterNode | undefined
  /** What it shows to other nodes. */
  readonly headers: PeerHeaders
}

/**
 * A node: its store, the state in it, and the HTTP server in front. Made by {@link createServer}.
 */
export class Server {
  /** State by path, for use in this process: in plain values, or at `state.text` exact to the digit. */
  readonly state: ValueState
  readonly store: Store
  /** The HTTP application; add routes and hooks of your own before {@link listen}. */
  readonly app: FastifyInstance
  /** The routes it has, and the document that describes them. */
  readonly routes = new Routes()
  readonly #text: State
  readonly #options: ResolvedOptions
  readonly #clusterNode: ClusterNode | undefined
  readonly #env: Env
  readonly #logger: Logger
  readonly #perimeter: Perimeter
  readonly #side: PivotSide
  readonly #links: Links
  readonly #upgrades: Upgrades
  readonly #metrics: Metrics
  readonly #lag: LagWatch
  readonly #inFlight: InFlight
  readonly #startedMs: number
  #phase: 'starting' | 'ready' | 'stopping' = 'starting'
  #closed: Promise<void> | undefined

  /** Use {@link createServer}. */
  constructor(store: Store, options: ResolvedOptions, env: Env, parts: ServerParts) {
    const { perimeter, side, clusterNode, headers } = parts
    this.store = store
    this.#clusterNode = clusterNode
    this.#logger = options.logger ?? silent
    this.state = stateOn(store, env, options, {
      reserve: (asked) => this.#links.reserve(asked),
    })
    this.#text = this.state.text
    this.#options = options
    this.#env = env
    this.#perimeter = perimeter
    this.#side = side
    this.#startedMs = env.monotonicMs()
    const log = new LinkLog(this.#logger)
    const sync = syncOptions(store, env, options, { side, perimeter, headers, log })
    this.#links = new Links(
      store,
      () => new Sync(sync),
      (error) => this.#logger.error({ err: error }, 'links were not closed in order'),
    )
    side.board.followLinks(() => this.#links.status().peers)
    this.#lag = new LagWatch(env, {
      measure: () => Promise.all([this.#links.measureLag(), this.pivot.measureLag()]),
      measured: () => {
        side.board.changed()
        log.follow(this.#links.status().links)
      },
      failed: (error) => this.#logger.warn({ err: error }, 'what peers lack was not counted'),
    })
    this.#upgrades = this.#sockets()
    this.#metrics = new Metrics(this.#measured())
    const { requests } = this.#metrics
    this.#inFlight = new InFlight(env, (...answer) => requests.answered(...answer))
    this.app = this.#application()
    perimeter.certificates?.follow(this.app.server as HttpsServer)
    this.app.server.on('upgrade', (request, stream, head) =>
      this.#upgrades.handle(request, stream, head),
    )
  }

  /** How keys are kept in step with Go nodes and leaders, and attached stores with theirs. */
  get pivot(): Pivot {
    return this.#side.pivot
  }

  /** The node's id. */
  get id(): string {
    return this.store.nodeId
  }

  /**
   * The cluster this node is a member of, for use in this process; see `createCluster`.
   * @throws SKERRY_CLUSTER_JOINING until it has joined
   * @throws SKERRY_OPTION_INVALID if it was made without the option `cluster`
   */
  get cluster(): Cluster {
    if (this.#clusterNode) return this.#clusterNode.membership.cluster
    throw skerryError('OPTION_INVALID', 'cluster', undefined, 'set it, to have this node join one')
  }

  /**
   * The coordinator of this node's events, for use in this process; see `createCoordinator`.
   * @throws SKERRY_OPTION_INVALID if it was made without the option `events`
   */
  get events(): Coordinator {
    const { events } = this.#clusterNode ?? {}
    if (events) return events.coordinator
    throw skerryError('OPTION_INVALID', 'events', undefined, 'set it, to have this node keep them')
  }

  /** The registry behind `GET /metrics`, of prom-client; add metrics of your own. */
  get metrics(): Registry {
    return this.#metrics.registry
  }

  /** Where the node is reached from its own machine; with port 0 only known once it listens. */
  get url(): string {
    const address = this.app.server.address() as AddressInfo | null
    const { host, port, tls } = this.#options
    return serverUrl(host, address?.port ?? port, tls !== undefined)
  }

  /** How the node is: what `GET /_skerry/status` answers. What peers lack is as it was counted last. */
  status(): NodeStatus {
    return {
      id: this.id,
      version: VERSION,
      url: this.url,
      ready: this.#phase === 'ready' && this.store.available !== false,
      leads: this.#links.running,
      ...storeStatus(this.store),
      uptimeMs: Math.round(this.#env.monotonicMs() - this.#startedMs),
      sockets: this.#upgrades.size,
      watched: this.#text.watched,
      sync: this.#links.status(),
      ...this.#clusterNode?.status(),
      pivot: pivotStatus(this.pivot.status),
    }
  }

  /**
   * Begins to serve, and to join its cluster if it has one: what goes wrong there is told in the status.
   * @throws SKERRY_LISTEN_FAILED if the host or port can't be had
   * @throws SKERRY_NOT_READY if the node is stopping
   */
  async listen(): Promise<void> {
    if (this.#phase === 'stopping') throw skerryError('NOT_READY')
    const { host, port } = this.#options
    try {
      await this.app.listen({ host, port })
    } catch (error) {
      throw skerryErrorFrom(error, 'LISTEN_FAILED', `${host}:${port}`, messageOf(error))
    }
    this.#phase = 'ready'
    this.#links.start()
    const { port: bound } = this.app.server.address() as AddressInfo
    await this.#side.start(isWildcard(host) ? undefined : hostAndPort(host, bound))
    this.#lag.start()
    if (this.#clusterNode) await this.#within(JOIN_MS, this.#clusterNode.start(this.url))
  }

  /**
   * Stops within 10 s: takes no further requests, answers those in flight, closes sockets and lets go of
   * the data directory. Calling it again waits for the same stop.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#phase = 'stopping'
    this.#lag.stop()
    if (this.#clusterNode) await this.#within(CLOSE_MS, this.#clusterNode.stepAside())
    const closed = this.app.close()
    this.#clusterNode?.endStreams()
    await this.#within(DRAIN_MS, this.#inFlight.settled())
    await this.#within(CLOSE_MS, this.#leaveCluster())
    await this.#within(CLOSE_MS, this.#links.stop())
    await this.#within(CLOSE_MS, this.#side.close())
    this.#text.close()
    await this.#within(CLOSE_MS, this.#upgrades.close())
    this.#upgrades.terminate()
    this.app.server.closeAllConnections()
    await closed
    this.#perimeter.close()
    this.#metrics.close()
    await this.store.close()
  }

  /** Whoever works on for this node is told by the end of its lease. */
  async #leaveCluster(): Promise<void> {
    try {
      await this.#clusterNode?.close()
    } catch (error) {
      this.#logger.error({ err: error }, 'the cluster was not left in order')
    }
  }

  /** Waits for the promise, but not for longer than that. */
  #within(limitMs: number, promise: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#env.setTimer(limitMs, resolve)
      promise.finally(cancel).then(resolve, reject)
    })
  }

  #measured(): MetricsSource {
    const { store } = this
    const state = this.#text
    return {
      status: () => this.status(),
      fresh: () => this.#lag.fresh(),
      watch: (listener) => store.watch(listener),
      get collapses() {
        return state.collapses
      },
      get subscribers() {
        return state.subscribers
      },
    }
  }

  #sockets(): Upgrades {
    const clients = new ClientSockets(this.#text, this.#env)
    const board = new ClientSockets(this.#side.board.state, this.#env)
    const live = new LiveSockets({
      state: this.#text,
      store: this.store,
      env: this.#env,
      logger: this.#logger,
      options: this.#options,
    })
    return new Upgrades(
      {
        link: (socket, principal) =>
          this.#links.accept(new SocketChannel(socket), sharingOf(principal)),
        tellTime: (socket) => clients.tellTime(socket),
        assertOpen: (pattern) => this.#text.assertOpen(pattern, 'read'),
        subscribe: (socket, stream, asked) =>
          (asked.pattern === STATUS_PATH ? board : clients).subscribe(socket, stream, asked),
        converse: (...given) => live.add(...given),
      },
      this.#perimeter,
      this.#options,
    )
  }

  #listeners(): FastifyServerFactory {
    return listenerFactory({
      // Who names no host is answered where errors have a code.
      http: { ...patienceOf(this.#options.requestTimeoutMs), requireHostHeader: false },
      tls: this.#perimeter.certificates?.serverOptions,
      around: (handle) =>
        this.#inFlight.following((request, response) => {
          request.url = originForm(request)
          handle(request, response)
        }),
    })
  }

  #application(): FastifyInstance {
    const { bodyLimitBytes } = this.#options
    const app = fastify({
      serverFactory: this.#listeners(),
      bodyLimit: bodyLimitBytes,
      return503OnClosing: false,
      clientErrorHandler: answerClientError,
      frameworkErrors: (error, request, reply) =>
        answerFailure(failureOf(error, bodyLimitBytes), request, reply, this.#logger),
    })
    app.setErrorHandler((error, request, reply) => {
      this.#metrics.requests.refused(request)
      answerFailure(failureOf(error, bodyLimitBytes), request, reply, this.#logger)
    })
    app.setNotFoundHandler(async (request, reply) => {
      void reply.header('allow', METHODS)
      throw skerryError('METHOD_NOT_ALLOWED', request.method, METHODS)
    })
    app.addHook('onRequest', (request, _reply, done) => {
      const { url } = request.raw
      if (this.#phase === 'stopping' && url !== '/healthz' && url !== '/readyz') {
        throw skerryError('NOT_READY')
      }
      done()
    })
    this.#metrics.requests.follow(app)
    this.#perimeter.guard(app)
    this.routes.serve(app)
    this.#metrics.serve(app)
    const source = { state: this.#text, status: () => this.status() }
    const dashboard = this.#options.static ? undefined : Dashboard.built()
    frontRoute(app, { source, authenticator: this.#perimeter.authenticator, dashboard })
    healthRoutes(
      app,
      () => this.status(),
      () => this.#lag.fresh(),
    )
    this.#clusterNode?.serve(app, this.#metrics.registry)
    const besides = () => this.#clusterNode?.backup() ?? []
    void app.register(transferRoutes({ store: this.store, data: this.#options.data, besides }))
    void app.register(tombstoneRoutes(this.store, this.#links))
    this.#side.routes(app, this.id)
    void app.register(restRoutes(this.#text, this.#side.restParts(this.store)))
    return app
  }
}

/** Which keys a peer may share: all of them with the right `admin`, else those that it may read, write and delete. */
function sharingOf(principal: Principal): MayShare | undefined {
  if (principal.may('admin', EVERYTHING)) return undefined
  return (key) => SHARING.every((verb) => principal.may(verb, key))
}

const SHARING: readonly Verb[] = ['read', 'write', 'delete']
