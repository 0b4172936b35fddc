import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, expect, inject } from 'vitest'
import { devAgent } from './agents.ts'

let browser: Browser | undefined

export interface OpenOptions extends BrowserContextOptions {
  /** Troubles that the test makes itself. */
  expectTrouble?: boolean
  url?: string
}

const opened: { page: Page; errors: string[]; expected: boolean }[] = []

/** An agent for this file alone: what other files do is not seen here. */
export const agent = await (await devAgent()).start().ready()
afterAll(() => agent.remove())

/** Opens a place of the page in a browser that knows nothing yet. */
export async function open(path: string, options: OpenOptions = {}): Promise<Page> {
  browser ??= await chromium.connect(inject('browser'))
  const { expectTrouble = false, url = agent.url, ...context } = options
  const page = await (await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 800 }, ...context })).newPage()
  page.setDefaultTimeout(20_000)
  const errors: string[] = []
  page.on('pageerror', (e) => errors.push(`error: ${e.message}`))
  // Answers such as 501 are written to the console by the browser itself; a broken policy is, too.
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && errors.push(`console: ${m.text()}`))
  opened.push({ page, errors, expected: expectTrouble })
  await page.goto(`${url}/ui/${path}`)
  return page
}

/** After each test: nothing went wrong that nobody looked at. */
afterEach(async () => {
  for (const { page, errors, expected } of opened.splice(0)) {
    await page.context().close()
    if (!expected) expect(errors).toEqual([])
  }
})

/** Tells the agent something, as its other clients do. */
export async function put(path: string, body?: unknown, url = agent.url): Promise<string> {
  const response = await fetch(url + path, { method: 'PUT', body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${text}`)
  return text
}

export async function get<T>(path: string, url = agent.url): Promise<T | undefined> {
  const response = await fetch(url + path)
  if (response.status === 404) return undefined
  return (await response.json()) as T
}

export async function remove(path: string): Promise<void> {
  await fetch(agent.url + path, { method: 'DELETE' })
}

/** A row of a list by a text in it. */
export function row(page: Page, list: string, text: string) {
  return page.getByRole('list', { name: list, exact: true }).getByRole('listitem').filter({ hasText: text })
}
