import { constants } from 'node:os'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Resolves with the reason when the process is told to stop: by SIGTERM, SIGINT, or the end of the
 * parent that started it with a channel. A second signal ends the process at once.
 */
export function stopRequest(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false
    const signalled = (signal: (typeof SIGNALS)[number]): void => {
      if (asked) process.exit(128 + constants.signals[signal])
      asked = true
      resolve(signal)
    }
    for (const signal of SIGNALS) process.on(signal, signalled)
    if (!process.connected) return
    process.once('disconnect', () => resolve('parent gone'))
    // Listening alone must not keep a process alive that has stopped.
    process.channel?.unref()
  })
}
