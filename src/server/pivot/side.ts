import type { FastifyInstance } from 'fastify'
import type { Env } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'
import type { Store } from '../../store/store.ts'
import { httpUrl } from '../../sync/pivot/address.ts'
import { pivotKey, type PivotKey } from '../../sync/pivot/keys.ts'
import { PivotPeers } from '../../sync/pivot/peers.ts'
import { Pivot } from '../../sync/pivot/pivot.ts'
import { Remote } from '../../sync/pivot/remote.ts'
import type { HttpClient } from '../../sync/pivot/http.ts'
import type { SyncOptions } from '../../sync/options.ts'
import type { Channel, Transport } from '../../sync/transport.ts'
import type { ResolvedOptions } from '../options.ts'
import { networkList, peerClient } from './client.ts'
import type { Authenticator } from '../access/access.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'
import { type PivotGate, principalGate, signedGate } from './gate.ts'
import { isPivotKey, type ResolvedPivot } from './options.ts'
import { pivotOperatorRoutes } from './operator.ts'
import { StatusBoard } from './status.ts'
import { pivotRoutes } from './routes.ts'
import type { RestParts } from '../rest/rest.ts'

/** How the pivot protocol is secured. */
export interface PivotTrust {
  readonly headersFor: PeerHeaders
  /** What leaders are shown over TLS; registered addresses are called without. */
  readonly tls: PeerTls | undefined
  /** True if there is a cluster secret: requests are signed, and must be. */
  readonly signed: boolean
  readonly authenticator: Authenticator
  /** Addresses, as CIDR blocks, that need no signature. */
  readonly unsigned: readonly string[]
}

interface PivotSideParts {
  readonly options: ResolvedPivot
  readonly leaderHttp: HttpClient
  readonly gate: PivotGate
  readonly peers: PivotPeers
}

/** What a node has of the pivot protocol, and how it chooses between that and native links. */
export class PivotSide {
  readonly pivot: Pivot
  readonly board: StatusBoard
  /** Whom this node has shared keys with by this protocol. */
  readonly peers: PivotPeers
  readonly #options: ResolvedPivot
  readonly #leaderHttp: HttpClient
  readonly #gate: PivotGate
  #own: string | undefined

  /** Reads what was kept; the store must be open. */
  static async open(
    store: Store,
    options: ResolvedOptions,
    env: Env,
    trust: PivotTrust,
  ): Promise<PivotSide> {
    const peers = new PivotPeers(store)
    // What calls back is made before what it calls.
    const later: { side?: PivotSide } = {}
    const { pivot: resolved } = options
    const { headersFor, signed, tls } = trust
    const networks = resolved.allowedPeerNetworks
    const leaderHttp = resolved.httpClient ?? peerClient({ headersFor, tls })
    const { nodesKey } = resolved
    const pivot = new Pivot({
      ...{ env, peers },
      leaderHttp,
      nodeHttp:
        resolved.httpClient ??
        peerClient({ networks, headersFor: signed ? headersFor : undefined }),
      keys: keysOf(store, resolved),
      nodesKey: nodesKey === undefined ? undefined : { path: nodesKey, store },
      extraNodes: resolved.extraNodeUrls,
      own: () => resolved.advertise ?? later.side?.own,
      checkIntervalMs: resolved.nodeCheckIntervalMs,
      syncAtStart: resolved.autoSyncOnStart,
      keepRemovedMs: options.tombstoneTtlMs,
      changed: () => later.side?.board.changed(),
    })
    await pivot.open()
    const board = await StatusBoard.open(env, () => pivot.status)
    const gate = gateOf(trust)
    later.side = new PivotSide(pivot, board, { options: resolved, leaderHttp, gate, peers })
    return later.side
  }

  /** Use {@link open}. */
  constructor(pivot: Pivot, board: StatusBoard, parts: PivotSideParts) {
    const { options, leaderHttp, gate, peers } = parts
    this.peers = peers
    this.pivot = pivot
    this.board = board
    this.#options = options
    this.#leaderHttp = leaderHttp
    this.#gate = gate
  }

  /** This node's `host:port`, once it is known. */
  get own(): string | undefined {
    return this.#own
  }

  /** Begins, now that the node serves at `own`, a `host:port` if others can use it. */
  async start(own: string | undefined): Promise<void> {
    this.#own = own
    await this.pivot.start()
    if (this.#options.nativeLink) return
    for (const url of this.pivot.leaders) await this.pivot.follow(url, true)
  }

  /** Which leaders to link with, and what to share with each. */
  links(leader: string | undefined): Pick<SyncOptions, 'leader' | 'leaderKeys' | 'branches'> {
    if (!this.#options.nativeLink || leader === undefined) return {}
    const mine = httpUrl(leader)!
    const keysUnder = (url: string): string[] =>
      this.#options.keys
        .filter((key) => key.leader === url && key.store === undefined)
        .map(({ path }) => path)
    const others = new Set(this.#options.keys.map((key) => key.leader))
    others.delete(mine)
    return {
      leader,
      leaderKeys: keysUnder(mine),
      branches: [...others].flatMap((url) =>
        url === undefined || keysUnder(url).length === 0 ? [] : [{ url, keys: keysUnder(url) }],
      ),
    }
  }

  /**
   * Dials as `links` does, but asks a leader first whether it takes native links. If it only knows the pivot
   * protocol, that is used; each further dial asks again, so that a leader may be replaced by a Skerry node.
   */
  choosing(links: Transport): Transport {
    return {
      dial: async (address: string): Promise<Channel> => {
        const url = httpUrl(address)
        if (url === undefined || !this.pivot.leaders.includes(url)) return links.dial(address)
        const { offersLink } = await new Remote(this.#leaderHttp, url, () => undefined).version()
        if (!offersLink) {
          await this.pivot.follow(url, true)
          throw skerryError('PEER_UNREACHABLE', url, ONLY_PIVOT)
        }
        const channel = await links.dial(address)
        await this.pivot.follow(url, false)
        return channel
      },
    }
  }

  /** Adds the routes of the protocol. */
  routes(app: FastifyInstance, nodeId: string): void {
    const { nativeLink: offersLink } = this.#options
    void app.register(pivotRoutes({ pivot: this.pivot, gate: this.#gate, nodeId, offersLink }))
    void app.register((routes) => pivotOperatorRoutes(routes, this.pivot))
  }

  /** What the routes of paths and globs have of it. */
  restParts(store: Store): RestParts {
    return {
      status: this.board.state,
      beforeRead: (pattern) => this.pivot.beforeRead(store, pattern),
    }
  }

  async close(): Promise<void> {
    await this.pivot.stop()
    await this.board.close()
  }
}

const ONLY_PIVOT = 'it takes no native links, and is followed by the pivot protocol'

function keysOf(store: Store, { keys }: ResolvedPivot): PivotKey[] {
  return keys.filter(isPivotKey).map((key) => pivotKey(key.path, key.store ?? store, key.leader))
}

function gateOf({ signed, authenticator, unsigned }: PivotTrust): PivotGate {
  return signed ? signedGate(authenticator, networkList(unsigned)) : principalGate
}
