import { readFile } from 'node:fs/promises'
import type { Env } from '../../core/env.ts'
import { messageOf, skerryErrorFrom } from '../../core/errors.ts'
import { readSecrets, type Secret } from '../../sync/trust/secrets.ts'
import type { Logger } from '../log.ts'
import { FileWatch } from '../access/watch.ts'

/** The secrets of the cluster as their file has them: one a line, the preferred one first. */
export class ClusterSecrets {
  readonly #file: string
  readonly #logger: Logger
  readonly #watch: FileWatch
  #secrets: readonly Secret[] = []

  /** Use {@link open}. */
  constructor(file: string, env: Env, logger: Logger) {
    this.#file = file
    this.#logger = logger
    this.#watch = new FileWatch([file], env, () => this.#reload())
  }

  /**
   * Reads the file, and again whenever it changes.
   * @throws SKERRY_OPTION_INVALID if it can't be read or holds no secrets
   */
  static async open(file: string, env: Env, logger: Logger): Promise<ClusterSecrets> {
    const secrets = new ClusterSecrets(file, env, logger)
    await secrets.#watch.start()
    try {
      await secrets.#load()
    } catch (error) {
      secrets.close()
      throw skerryErrorFrom(error, 'OPTION_INVALID', 'secretFile', file, messageOf(error))
    }
    return secrets
  }

  /** Those in use now. */
  current(): readonly Secret[] {
    return this.#secrets
  }

  /** Reads the file no more. */
  close(): void {
    this.#watch.close()
  }

  async #load(): Promise<void> {
    this.#secrets = readSecrets(await readFile(this.#file, 'utf8'))
  }

  /** Half a file must not cut a node off: the secrets from before hold until it can be read. */
  async #reload(): Promise<void> {
    try {
      await this.#load()
      this.#logger.info({}, 'the cluster secrets were read again')
    } catch (error) {
      this.#logger.error(
        { err: error },
        'the cluster secrets changed and can not be read: kept as before',
      )
    }
  }
}
