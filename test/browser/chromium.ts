import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'

/** Why there is no Chromium for the tests; undefined if there is. */
let missing: string | undefined | null = null
let executable = ''

/** A browser that does what the page does, and nothing of its own. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Looks for Chromium: on PATH, else from the distribution's packages when run as root.
 * @returns why the tests that need it must be skipped; undefined if they need not
 */
export function whyNoChromium(): string | undefined {
  if (missing === null) missing = findChromium()
  return missing
}

function findChromium(): string | undefined {
  executable = onPath()
  if (executable !== '') return undefined
  if (process.getuid?.() !== 0) return 'chromium is not on PATH, and only root may install it'
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    spawnSync('apt-get', command, { env: environment, stdio: 'ignore', timeout: 600_000 })
  }
  executable = onPath()
  if (executable !== '') return undefined
  return 'chromium is not on PATH, and apt-get could not install it'
}

function onPath(): string {
  const { stdout } = spawnSync('which', ['chromium'], { encoding: 'utf8' })
  const path = (stdout ?? '').trim()
  return path !== '' && spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0 ? path : ''
}

/** A browser of a test's own, with a fresh profile; it is gone when the test ends. */
export class Browser {
  readonly context: BrowserContext
  /** What pages complained of: uncaught errors. */
  readonly failures: string[] = []

  constructor(context: BrowserContext) {
    this.context = context
  }

  static async open(): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'skerry-chromium-'))
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: executable,
      headless: true,
      args: FLAGS,
    })
    onTestFinished(async () => {
      await context.close()
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    })
    return new Browser(context)
  }

  async visit(url: string): Promise<Page> {
    const page = await this.context.newPage()
    page.on('pageerror', (error) => this.failures.push(String(error.stack ?? error.message)))
    await page.goto(url)
    return page
  }

  /**
   * Tells a page that it is frozen, or awake again, as a browser tells a tab in the background. A browser
   * without a screen has no such tabs, and does not freeze on command: the event is all that there is.
   */
  async tell(page: Page, event: 'freeze' | 'resume'): Promise<void> {
    await page.evaluate(`document.dispatchEvent(new Event('${event}'))`)
  }
}
