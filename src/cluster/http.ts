import * as http from 'node:http'
import * as https from 'node:https'
import { performance } from 'node:perf_hooks'
import type { SecureContextOptions } from 'node:tls'
import { messageOf } from '../core/errors.ts'
import type { ProbeOutcome } from './detector.ts'
import type { Prober, ProbeResult } from './prober.ts'

/** A member's answer is only its status; no more than this is read of its body. */
const BODY_BYTES_MAX = 65_536

/**
 * Probes by GET: 2xx is alive, 503 lives but is not ready, everything else and silence is a miss.
 * Each probe opens a connection of its own: that a member still accepts them is part of the question.
 */
export class HttpProber implements Prober {
  readonly #underWay = new Set<AbortController>()
  readonly #tls: (() => SecureContextOptions) | undefined

  /** @param tls what is shown and trusted over TLS; default: nothing, and what Node trusts */
  constructor(tls?: () => SecureContextOptions) {
    this.#tls = tls
  }

  async probe(url: string, timeoutMs: number): Promise<ProbeResult> {
    const began = performance.now()
    const abort = new AbortController()
    this.#underWay.add(abort)
    const timer = setTimeout(() => abort.abort(), timeoutMs)
    try {
      const status = await this.#get(url, abort.signal)
      return { outcome: outcomeOf(status), status, tookMs: performance.now() - began }
    } catch (error) {
      const tookMs = performance.now() - began
      const reason = abort.signal.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error)
      return { outcome: 'missed', tookMs, reason }
    } finally {
      clearTimeout(timer)
      this.#underWay.delete(abort)
    }
  }

  close(): void {
    for (const abort of this.#underWay) abort.abort()
  }

  async #get(url: string, signal: AbortSignal): Promise<number> {
    const { get } = url.startsWith('https:') ? https : http
    return new Promise<number>((resolve, reject) => {
      const request = get(url, { ...this.#tls?.(), agent: false, signal }, (response) => {
        const { statusCode = 0 } = response
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes <= BODY_BYTES_MAX) return
          resolve(statusCode)
          response.destroy()
        })
        response.on('end', () => resolve(statusCode))
        response.on('error', reject)
        response.on('close', () => reject(new Error('the answer broke off')))
      })
      request.on('error', reject)
    })
  }
}

function outcomeOf(status: number): ProbeOutcome {
  if (status >= 200 && status < 300) return 'alive'
  return status === 503 ? 'unready' : 'missed'
}
