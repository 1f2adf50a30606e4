import { skerryError } from '../core/errors.ts'
import type { Env } from '../core/env.ts'
import { Keeping } from '../state/keeping.ts'
import { openLevelEngine } from '../store/level.ts'
import { LocalStore } from '../store/local.ts'
import { MemoryEngine } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { peerHeaders } from './access/credentials.ts'
import { Perimeter } from './access/perimeter.ts'
import { openClusterNode } from './cluster/node.ts'
import { machineEnv } from './env.ts'
import type { ResolvedOptions, ServerOptions } from './options.ts'
import { PivotSide } from './pivot/side.ts'
import { resolveOptions } from './resolve.ts'
import { Server } from './server.ts'
import { warmUp } from './warmup.ts'

/**
 * Makes a node; {@link Server.listen} has it serve.
 *
 * @param env time and chance; the machine's, unless a test brings its own
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID, SKERRY_HOST_INSECURE for bad options
 * @throws SKERRY_DATA_DIR_IN_USE, SKERRY_DATA_DIR_UNREADABLE, SKERRY_DATA_DIR_NEWER if the data can't be had
 * @example
 * const server = await createServer({ data: './state', port: 8800 })
 * await server.listen()
 * await server.state.set('settings', { theme: 'dark' })
 * await server.close()
 */
export async function createServer(
  options: ServerOptions = {},
  env: Env = machineEnv,
): Promise<Server> {
  const resolved = resolveOptions(options)
  await warmUp()
  const perimeter = await Perimeter.open(resolved, env)
  let store: Store | undefined
  try {
    store = await openStore(resolved, env)
    const { secrets, authenticator, peerTls: tls } = perimeter
    const headers = peerHeaders(env, { tokenFile: resolved.peerTokenFile, secrets })
    const signed = secrets !== undefined
    const { allowUnsigned: unsigned } = resolved
    const trust = { headersFor: headers, tls, signed, authenticator, unsigned }
    const side = await PivotSide.open(store, resolved, env, trust)
    const clusterNode = await openClusterNode({ ...resolved, env, id: store.nodeId, headers, tls })
    return new Server(store, resolved, env, { perimeter, side, clusterNode, headers })
  } catch (error) {
    perimeter.close()
    await store?.close()
    throw error
  }
}

async function openStore(options: ResolvedOptions, env: Env): Promise<Store> {
  const { store, data, id, maxClockDriftMs } = options
  const history = new Keeping(options.history, options.filters)
  const node = { maxClockDriftMs, history, ...(id !== undefined && { nodeId: id }) }
  if (store !== undefined) {
    const opened = await store.open(env, node)
    if (opened.history !== undefined || !history.keepsSome) return opened
    await opened.close()
    throw skerryError('HISTORY_UNAVAILABLE')
  }
  const engine = data === undefined ? new MemoryEngine() : await openLevelEngine(data)
  try {
    return await LocalStore.open(engine, env, node)
  } catch (error) {
    await engine.close()
    throw error
  }
}
