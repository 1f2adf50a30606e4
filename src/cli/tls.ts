import { type Command, Option } from 'commander'
import { readFileSync } from 'node:fs'
import { createSecureContext, rootCertificates } from 'node:tls'
import { skerryError } from '../index.ts'

/** The flags by which a command shows a certificate to the node, and trusts that of the node. */
export interface TlsFlags {
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsCa?: string
}

/** What is shown and trusted over TLS, in PEM. */
export interface ClientTls {
  readonly cert?: string
  readonly key?: string
  /** Authorities, those that Node trusts anyway included. */
  readonly ca?: readonly string[]
}

/** Adds the flags. Their variables are those of `serve`: a node's own certificate is good for asking others, too. */
export function addTlsFlags(command: Command): Command {
  const cert = new Option('--tls-cert <file>', 'certificate to show to the node, in PEM')
  const key = new Option('--tls-key <file>', 'its private key')
  const ca = new Option('--tls-ca <file>', "authorities that the node's certificate may be from")
  return command
    .addOption(cert.env('SKERRY_TLS_CERT'))
    .addOption(key.env('SKERRY_TLS_KEY'))
    .addOption(ca.env('SKERRY_TLS_CA'))
}

/**
 * What the flags name, read from the files; undefined if they name nothing.
 * @throws SKERRY_OPTION_INVALID if a file can't be read, or certificate and key are not two that belong together
 */
export function tlsOf({ tlsCert, tlsKey, tlsCa }: TlsFlags): ClientTls | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined
  if (tlsCert === undefined && tlsKey !== undefined) {
    throw skerryError('OPTION_INVALID', '--tls-cert', undefined, 'it is needed with --tls-key')
  }
  if (tlsKey === undefined && tlsCert !== undefined) {
    throw skerryError('OPTION_INVALID', '--tls-key', undefined, 'it is needed with --tls-cert')
  }
  const ca = tlsCa === undefined ? undefined : pem('--tls-ca', tlsCa, (text) => ({ ca: text }))
  const cert = tlsCert && pem('--tls-cert', tlsCert, (text) => ({ cert: text }))
  const key = tlsKey && pem('--tls-key', tlsKey, (text) => ({ cert, key: text }))
  return {
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
  }
}

/** Reads a file, and has TLS try what it holds. */
function pem(flag: string, file: string, used: (text: string) => object): string {
  try {
    const text = readFileSync(file, 'utf8')
    createSecureContext(used(text))
    return text
  } catch (error) {
    throw skerryError('OPTION_INVALID', flag, file, (error as Error).message)
  }
}

/** `fetch` that shows and trusts this. It comes from undici itself: that of Node takes no agents of other versions. */
export async function fetchOver(tls: ClientTls): Promise<typeof fetch> {
  const undici = await import('undici')
  const dispatcher = new undici.Agent({ connect: { ...tls, ca: tls.ca && [...tls.ca] } })
  const over = (url: URL, init: object) => undici.fetch(url, { ...init, dispatcher })
  return over as unknown as typeof fetch
}
