/** Where a node logs; a pino logger fits. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Logs nothing. */
export const silent: Logger = { info() {}, warn() {}, error() {} }
