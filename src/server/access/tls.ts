import { readFile } from 'node:fs/promises'
import type { Server } from 'node:https'
import { createSecureContext, rootCertificates, type SecureContextOptions } from 'node:tls'
import type { Env } from '../../core/env.ts'
import { messageOf, skerryErrorFrom } from '../../core/errors.ts'
import type { Logger } from '../log.ts'
import { FileWatch } from './watch.ts'

/** What a node shows of itself, and whom it trusts, when it calls others over TLS: read for each connection. */
export type PeerTls = () => SecureContextOptions

/** The certificate that a node shows, as files in PEM. */
export interface TlsOptions {
  /** The certificate, and behind it those that lead to its root. */
  readonly cert: string
  /** Its private key. */
  readonly key: string
  /**
   * Certificates of the authorities that clients' certificates must come from; those of other nodes, which this one
   * calls, may come from them too. Default: those of Node.
   */
  readonly ca?: string
  /** Refuses clients that show no certificate from one of these authorities (mTLS). Default false. */
  readonly requestClientCertificate?: boolean
}

/** The least version of TLS. */
const MIN_VERSION = 'TLSv1.2'

/** Keeps the certificate of a server as its files have it. */
export class Certificates {
  readonly #options: TlsOptions
  readonly #logger: Logger
  readonly #watch: FileWatch
  #context: SecureContextOptions = {}
  #server: Server | undefined

  /** Use {@link open}. */
  constructor(options: TlsOptions, env: Env, logger: Logger) {
    this.#options = options
    this.#logger = logger
    const { cert, key, ca } = options
    const files = ca === undefined ? [cert, key] : [cert, key, ca]
    this.#watch = new FileWatch(files, env, () => this.#reload())
  }

  /**
   * Reads the files, and again whenever they change.
   * @throws SKERRY_OPTION_INVALID if they can't be read, or don't belong together
   */
  static async open(options: TlsOptions, env: Env, logger: Logger): Promise<Certificates> {
    const certificates = new Certificates(options, env, logger)
    await certificates.#watch.start()
    try {
      certificates.#context = await certificates.#read()
    } catch (error) {
      certificates.close()
      throw skerryErrorFrom(error, 'OPTION_INVALID', 'tls', options.cert, messageOf(error))
    }
    return certificates
  }

  /** What a TLS server is made with. */
  get serverOptions() {
    const requestCert = this.#options.requestClientCertificate === true
    return { ...this.#context, requestCert, rejectUnauthorized: requestCert }
  }

  /** What connections to other nodes are made with: the same certificate, which says who calls. */
  get clientOptions(): SecureContextOptions {
    const { ca } = this.#context
    // Nodes may also have certificates that anybody trusts.
    return {
      ...this.#context,
      ...(ca !== undefined && { ca: [...rootCertificates, ca as Buffer] }),
    }
  }

  /** Has the server show new certificates to new connections; those that are open go on. */
  follow(server: Server): void {
    this.#server = server
  }

  /** Reads the files no more. */
  close(): void {
    this.#watch.close()
  }

  async #read(): Promise<SecureContextOptions> {
    const { cert, key, ca } = this.#options
    const [certPem, keyPem, caPem] = await Promise.all([
      readFile(cert),
      readFile(key),
      ca === undefined ? undefined : readFile(ca),
    ])
    const context: SecureContextOptions = {
      cert: certPem,
      key: keyPem,
      minVersion: MIN_VERSION,
      ...(caPem !== undefined && { ca: caPem }),
    }
    // Throws if they don't belong together.
    createSecureContext(context)
    return context
  }

  /** Certificate and key are seldom replaced in one step: what was read before holds until both fit. */
  async #reload(): Promise<void> {
    try {
      this.#context = await this.#read()
      this.#server?.setSecureContext(this.#context)
      this.#logger.info({}, 'the certificate was read again')
    } catch (error) {
      this.#logger.error(
        { err: error },
        'the certificate changed and can not be read: kept as before',
      )
    }
  }
}
