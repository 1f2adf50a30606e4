import { writeFile } from 'node:fs/promises'
import { generate } from 'selfsigned'
import { beforeAll, expect, test } from 'vitest'
import { directory } from '../server/directory.ts'
import { runningNode } from '../server/running.ts'
import { run, SkerryCommand } from './command.ts'

type Certificate = Awaited<ReturnType<typeof generate>>

let ofNode: Certificate
let operator: Certificate
let stranger: Certificate

/** A certificate that is its own authority. */
function certificate(value: string): Promise<Certificate> {
  const extensions = [
    { name: 'basicConstraints' as const, cA: true },
    { name: 'subjectAltName' as const, altNames: [{ type: 7 as const, ip: '127.0.0.1' }] },
  ]
  return generate([{ name: 'commonName', value }], { keyType: 'ec', extensions })
}

beforeAll(async () => {
  const names = ['node', 'operator', 'stranger']
  const made = await Promise.all(names.map(certificate))
  ;[ofNode, operator, stranger] = made as [Certificate, Certificate, Certificate]
})

async function files(made: Certificate): Promise<{ cert: string; key: string }> {
  const path = await directory()
  await writeFile(`${path}/cert.pem`, made.cert)
  await writeFile(`${path}/key.pem`, made.private)
  return { cert: `${path}/cert.pem`, key: `${path}/key.pem` }
}

/** A node that asks for certificates of the operator's, and the variables by which commands have one. */
async function guarded() {
  const shown = await files(operator)
  const tls = await files(ofNode)
  const { url } = await runningNode({
    tls: { ...tls, ca: shown.cert, requestClientCertificate: true },
  })
  const env = {
    SKERRY_URL: url,
    SKERRY_TLS_CERT: shown.cert,
    SKERRY_TLS_KEY: shown.key,
    SKERRY_TLS_CA: tls.cert,
  }
  return { url, env, shown, ca: tls.cert }
}

test('commands show their certificate to a node that asks for one, over HTTPS and WebSockets', async () => {
  const { url, env, shown, ca } = await guarded()
  const flags = ['--tls-cert', shown.cert, '--tls-key', shown.key, '--tls-ca', ca, '--url', url]
  expect(await run(['set', 'users/1', '{"n":1}', ...flags])).toMatchObject({ code: 0, stderr: '' })
  expect(await run(['get', 'users/1'], env)).toMatchObject({ code: 0, stdout: '{"n":1}\n' })
  expect((await run(['status'], env)).code).toBe(0)
  expect((await run(['export', '-'], env)).stdout).toContain('users/1')
  const watching = new SkerryCommand(['watch', 'users/*'], env)
  expect(await watching.firstLine()).toContain('{"n":1}')
})

test('a command without a certificate, with another one, or that does not know the node is told so', async () => {
  const { env } = await guarded()
  const other = await files(stranger)
  const { SKERRY_URL, SKERRY_TLS_CA } = env
  const wrong: Record<string, string>[] = [
    { SKERRY_URL, SKERRY_TLS_CA },
    { ...env, SKERRY_TLS_CERT: other.cert, SKERRY_TLS_KEY: other.key },
    { ...env, SKERRY_TLS_CA: other.cert },
  ]
  for (const each of wrong) {
    const { code, stderr } = await run(['get', 'users/1'], each)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('SKERRY_NODE_UNREACHABLE') as string,
    })
  }
})

test('flags of TLS that do not fit are refused by name, and mean nothing where there is no TLS', async () => {
  const { url, shown } = await guarded()
  const other = await files(stranger)
  const asked = ['get', 'x', '--url', url]
  const wrong: [flags: string[], named: string][] = [
    [['--tls-cert', shown.cert], '--tls-key'],
    [['--tls-key', shown.key], '--tls-cert'],
    [['--tls-cert', shown.cert, '--tls-key', other.key], '--tls-key'],
    [['--tls-ca', `${shown.cert}.none`], '--tls-ca'],
  ]
  for (const [flags, named] of wrong) {
    const { code, stderr } = await run([...asked, ...flags])
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(named) as string })
  }
  const open = await runningNode()
  const { stdout } = await run(['status', '--url', open.url, '--tls-cert', 'none.pem'])
  expect(stdout).toContain(open.id)
})
