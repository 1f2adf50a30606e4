import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Connection } from '../../src/client/connection.ts'
import type { SocketClass } from '../../src/client/platform.ts'

/** A socket that neither opens nor ends by itself. */
class Waiting extends EventTarget {
  static readonly dialed: Waiting[] = []
  readonly readyState = 0

  constructor() {
    super()
    Waiting.dialed.push(this)
  }

  close(): void {}

  fail(): void {
    this.dispatchEvent(new Event('error'))
  }
}

const window = new EventTarget()

beforeEach(() => {
  Waiting.dialed.length = 0
  vi.useFakeTimers()
  // Each wait is as long as it may be.
  vi.spyOn(crypto, 'getRandomValues').mockImplementation((values) => {
    new Uint8Array(values.buffer).fill(255)
    return values
  })
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window))
  vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window))
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** A connection that has failed so often that it waits for long before the next try, with that one under way. */
async function discouraged(): Promise<Connection> {
  const target = { url: 'ws://node/_skerry/live', token: undefined }
  const user = { opened: () => undefined, message: () => undefined, lost: () => undefined }
  const WebSocket = Waiting as unknown as SocketClass
  const connection = new Connection({ ...target, WebSocket }, user)
  await vi.advanceTimersByTimeAsync(0)
  for (let waitMs = 250; waitMs <= 16_000; waitMs *= 2) {
    Waiting.dialed.at(-1)!.fail()
    await vi.advanceTimersByTimeAsync(waitMs)
  }
  expect(Waiting.dialed).toHaveLength(8)
  return connection
}

test('news of the network while a try is under way are not lost on it: when it fails, the next comes soon', async () => {
  const connection = await discouraged()
  window.dispatchEvent(new Event('online'))
  Waiting.dialed.at(-1)!.fail()
  await vi.advanceTimersByTimeAsync(250)
  expect(Waiting.dialed).toHaveLength(9)
  connection.close()
})
