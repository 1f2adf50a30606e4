import type { BrowserContext, Locator, Page } from 'playwright-core'
import type { TestContext } from 'vitest'
import { Browser, whyNoChromium } from '../browser/chromium.ts'

/** A browser that looks at dashboards, and what it complained of. */
export class Visitor {
  readonly context: BrowserContext
  readonly #browser: Browser
  /** Uncaught errors, and what stands in the console as an error: violations of the policy are among it. */
  readonly #complaints: string[] = []

  constructor(browser: Browser) {
    this.#browser = browser
    this.context = browser.context
  }

  static async open(context: TestContext): Promise<Visitor> {
    const why = whyNoChromium()
    if (why !== undefined) context.skip(why)
    return new Visitor(await Browser.open())
  }

  get complaints(): readonly string[] {
    return [...this.#browser.failures, ...this.#complaints]
  }

  /** @param hash where in the page, such as `data?open=users/ada` */
  async visit(url: string, hash = ''): Promise<DashboardPage> {
    this.context.on('console', (message) => {
      if (message.type() === 'error') this.#complaints.push(message.text())
    })
    return new DashboardPage(await this.#browser.visit(`${url}/#${hash}`))
  }
}

/** The dashboard as somebody sees it. */
export class DashboardPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  /** What is shown of the entry that is open. */
  get entry(): Locator {
    return this.page.locator('section.entry')
  }

  get value(): Locator {
    return this.entry.locator('.value pre').first()
  }

  get editor(): Locator {
    return this.page.locator('form.editor')
  }

  get keys(): Locator {
    return this.page.locator('.keys-found code')
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true })
  }

  tab(name: string): Locator {
    return this.page.locator('nav.tabs').getByRole('link', { name })
  }

  /** Waits until something that can be seen holds the text. */
  async shows(text: string): Promise<void> {
    await this.page.getByText(text).first().waitFor()
  }

  /** Goes elsewhere in the page, as a link does. */
  async moves(hash: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
  }

  async open(path: string): Promise<void> {
    await this.moves(`data?open=${path}`)
    await this.entry.getByText(path).first().waitFor()
  }
}
