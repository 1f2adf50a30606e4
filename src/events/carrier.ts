import { skerryError } from '../core/errors.ts'
import type { Listener } from './emitter.ts'
import type { ResolvedOptions } from './options.ts'
import type { Peer } from './peers.ts'
import {
  answerOf,
  isReplicaStore,
  type Answer,
  type EventStorage,
  type Recipient,
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

  /** Sends a replica to a node, and tells `recipient` what came of it. */
  send(id: string, replica: Replica, recipient: Recipient): void {
    if (id === this.#options.id) {
      this.#store(replica, recipient)
      return
    }
    const peer = this.#host.peer(id)
    const listeners = this.#host.listeners()
    const { transport } = this.#options
    if (!peer) {
      recipient.answer(skerryError('EVENTS_PEER_INVALID', `'${id}' is not known (any more)`))
    } else if (listeners.length > 0) {
      const answer: Answer = (error) => recipient.answer(error)
      for (const put of listeners) call(put, peer, replica, answer)
    } else if (transport) {
      try {
        settle(transport.put(peer, replica), recipient)
      } catch (error) {
        recipient.answer(error ?? NO_REASON)
      }
    } else {
      recipient.answer(skerryError('EVENTS_NO_TRANSPORT'))
    }
  }

  /** The same with a promise and a deadline. */
  deliver(id: string, replica: Replica): Promise<void> {
    const { env, replicaTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const cancel = env.setTimer(replicaTimeoutMs, () => {
        reject(skerryError('EVENTS_SILENT', replicaTimeoutMs))
      })
      const answer = (error?: unknown) => {
        cancel()
        if (error === undefined || error === null) resolve()
        else reject(error instanceof Error ? error : new Error(`refused: ${JSON.stringify(error)}`))
      }
      this.send(id, replica, { answer })
    })
  }

  #store({ key, text }: Replica, recipient: Recipient): void {
    const storage = this.#storage
    if (isReplicaStore(storage)) {
      try {
        settle(storage.writeReplica(key, text), recipient)
      } catch (error) {
        recipient.answer(error ?? NO_REASON)
      }
      return
    }
    const event: unknown = JSON.parse(text)
    const answer: Answer = (error) => recipient.answer(error)
    answerOf((callback) => storage.put(key, event, callback), storage.put.length > 2, answer)
  }
}

const NO_REASON = 'failed without a reason'

/** Passes on the answer of what has returned, or promised to. */
function settle(called: Promise<void> | void, recipient: Recipient): void {
  if (!called) {
    recipient.answer()
    return
  }
  called.then(
    () => recipient.answer(),
    (error: unknown) => recipient.answer(error ?? NO_REASON),
  )
}

/** Each listener gets its own copy of the event: what one does to it must not reach another. */
function call(listener: PutListener, peer: Peer, { key, text }: Replica, answer: Answer): void {
  const event: unknown = JSON.parse(text)
  answerOf((callback) => listener(peer, key, event, callback), listener.length > 3, answer)
}
