import { build } from 'esbuild'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** One script for a browser, of a file and all that it imports. */
export async function bundle(
  file: string,
  options: { format: 'iife' | 'esm'; minify?: boolean } = { format: 'iife' },
): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${root}/${file}`],
    bundle: true,
    write: false,
    platform: 'browser',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' },
    legalComments: 'none',
    logLevel: 'silent',
    ...options,
  })
  return outputFiles[0]!.text
}

/** Serves one page that runs one script, from an origin of its own. */
export class PageServer {
  readonly #server: Server

  constructor(server: Server) {
    this.#server = server
  }

  /** @param file the script of the page, from the root of the repository */
  static async open(file: string): Promise<PageServer> {
    const script = await bundle(file)
    const server = createServer((request, response) => {
      if (request.url === '/script.js') {
        response.setHeader('content-type', 'text/javascript; charset=utf-8').end(script)
      } else {
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end(
          '<!doctype html><title>page</title><div id="root"></div><script src="/script.js"></script>',
        )
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return new PageServer(server)
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
}
