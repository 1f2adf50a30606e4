import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { Watcher } from '../../sim/watcher.ts'

/** What came of a request to upgrade that was refused. */
export interface Refusal {
  readonly status: number
  readonly code: unknown
}

/** A real client of `ws://…/{pattern}`. */
export class Client {
  readonly socket: WebSocket
  readonly watcher: Watcher
  /** Resolves to the code that the socket was closed with. */
  readonly closed: Promise<number>

  constructor(socket: WebSocket, watcher: Watcher) {
    this.socket = socket
    this.watcher = watcher
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) throw new Error('frames are binary')
      this.watcher.frame({ text: data.toString() })
    })
    socket.on('error', () => undefined)
    this.closed = once(socket, 'close').then(([code]) => code as number)
    onTestFinished(() => socket.terminate())
  }

  /** Opens it; the socket may already have messages by then. */
  static async open(
    url: string,
    path: string,
    headers: Record<string, string> = {},
    watcher = new Watcher(),
  ): Promise<Client> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/${path}`, { headers })
    const client = new Client(socket, watcher)
    await once(client.socket, 'open')
    return client
  }
}

/** Tries to upgrade; resolves to how it was refused. */
export async function refusal(
  url: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Refusal> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/${path}`, { headers })
  socket.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    socket.once('open', () => reject(new Error('the socket was opened')))
    socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.once('end', () => {
        const { code } = JSON.parse(body) as { code: unknown }
        resolve({ status: response.statusCode!, code })
      })
    })
  })
}
