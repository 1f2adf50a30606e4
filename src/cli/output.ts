import { once } from 'node:events'
import { stopRequest } from './stop.ts'

/** Prints a line on stdout, and waits while nobody reads. */
export async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

/**
 * Prints lines as they come until they end, the command is told to stop, or nobody reads any more.
 * @param open begins; its signal is aborted at the end
 */
export async function follow(open: (signal: AbortSignal) => AsyncIterable<string>): Promise<void> {
  const abort = new AbortController()
  const end = (): void => abort.abort()
  void stopRequest().then(end)
  process.stdout.on('error', end)
  try {
    for await (const line of open(abort.signal)) {
      if (abort.signal.aborted) return
      await print(line)
    }
  } catch (error) {
    // Whoever was told to stop is not interested in how the answer broke off.
    if (!abort.signal.aborted) throw error
  }
}
