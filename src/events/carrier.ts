import { skerryError } from '../core/errors.ts'
import type { Listener } from './emitter.ts'
import type { ResolvedOptions } from './options.ts'
import type { Peer } from './peers.ts'
import {
  answerOf,
  isReplicaStore,
  type Answer,
  type EventStorage,
  type ReplicaStore,
} from './storage.ts'
import type { Replica } from './transport.ts'

/** A listener of the coordinator's `_put`. */
type PutListener = Listener<[peer: Peer, key: string, event: unknown, callback: Answer]>

/** What a carrier asks of the coordinator. */
export interface CarrierHost {
  peer(id: string): Peer | undefined
  listeners(): readonly PutListener[]
}

/** Brings replicas to nodes: to the local storage, by `_put` listeners, or by a transport. */
export class Carrier {
  readonly #options: ResolvedOptions
  readonly #storage: EventStorage | ReplicaStore
  readonly #host: CarrierHost

  constructor(options: ResolvedOptions, storage: EventStorage | ReplicaStore, host: CarrierHost) {
    this.#options = options
    this.#storage = storage
    this.#host = host
  }

  /** Sends a replica to a node; `answer` is called now, later, twice or never. */
  send(id: string, replica: Replica, answer: Answer): void {
    if (id === this.#options.id) {
      this.#store(replica, answer)
      return
    }
    const peer = this.#host.peer(id)
    const listeners = this.#host.listeners()
    const { transport } = this.#options
    if (!peer) answer(skerryError('EVENTS_PEER_INVALID', `'${id}' is not known (any more)`))
    else if (listeners.length > 0) for (const put of listeners) call(put, peer, replica, answer)
    else if (transport) settle(() => transport.put(peer, replica), answer)
    else answer(skerryError('EVENTS_NO_TRANSPORT'))
  }

  /** The same with a promise and a deadline. */
  deliver(id: string, replica: Replica): Promise<void> {
    const { env, replicaTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const cancel = env.setTimer(replicaTimeoutMs, () => {
        reject(skerryError('EVENTS_SILENT', replicaTimeoutMs))
      })
      this.send(id, replica, (error) => {
        cancel()
        if (error === undefined || error === null) resolve()
        else reject(error instanceof Error ? error : new Error(`refused: ${JSON.stringify(error)}`))
      })
    })
  }

  #store({ key, text }: Replica, answer: Answer): void {
    const storage = this.#storage
    if (isReplicaStore(storage)) {
      settle(() => storage.writeReplica(key, text), answer)
    } else {
      const event: unknown = JSON.parse(text)
      answerOf((callback) => storage.put(key, event, callback), storage.put.length > 2, answer)
    }
  }
}

/** Calls what answers by a promise, or by returning. */
function settle(call: () => Promise<void> | void, answer: Answer): void {
  const fail = (error: unknown) => answer(error ?? 'rejected without a reason')
  try {
    const called = call()
    if (called) called.then(() => answer(), fail)
    else answer()
  } catch (error) {
    fail(error)
  }
}

/** Each listener gets its own copy of the event: what one does to it must not reach another. */
function call(listener: PutListener, peer: Peer, { key, text }: Replica, answer: Answer): void {
  const event: unknown = JSON.parse(text)
  answerOf((callback) => listener(peer, key, event, callback), listener.length > 3, answer)
}
