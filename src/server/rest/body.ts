import { isUtf8 } from 'node:buffer'
import { skerryError } from '../../core/errors.ts'

/** The content type of what is answered. */
export const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * The body as text, exactly: bytes that are not UTF-8 would be replaced in silence otherwise.
 * @throws SKERRY_JSON_INVALID
 */
export function bodyText(body: Buffer | undefined): string {
  if (body === undefined) throw skerryError('JSON_INVALID', 'it is empty')
  if (!isUtf8(body)) throw skerryError('JSON_INVALID', 'it is not UTF-8')
  return body.toString('utf8')
}
