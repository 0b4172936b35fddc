import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { agent, open, put, row } from './page.ts'

/** Opens a place anew. Services that come and go are told against the first list of them, which is then awaited. */
async function afresh(page: Page, place: string): Promise<{ services: Promise<unknown> }> {
  await page.goto('about:blank') // what the page before it has asked is over
  const services = page.waitForResponse((r) => r.url().endsWith('/v1/catalog/services'))
  await page.goto(`${agent.url}/ui/${place}`)
  return { services }
}

test('keyboard: places, search, lists, help', async () => {
  await put('/v1/catalog/register', { Node: 'k', Address: '10.0.0.1', Service: { Service: 'keys-a' } })
  await put('/v1/catalog/register', { Node: 'k', Address: '10.0.0.1', Service: { Service: 'keys-b' } })
  const page = await open('dc1/overview')
  await page.getByText('Overview').first().waitFor()
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard and search' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await row(page, 'Services', 'keys-a').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('keys-')
  await row(page, 'Services', 'consul').waitFor({ state: 'detached' })
  await page.keyboard.press('ArrowDown')
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('keys-a'))
  await page.keyboard.press('ArrowDown')
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('keys-b'))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'keys-b' }).waitFor()
})

test('Chinese, as the browser says, and English by choice', async () => {
  const page = await open('dc1/services', { locale: 'zh-CN' })
  await page.getByRole('heading', { level: 1, name: '服务' }).waitFor()
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
  await page.getByRole('button', { name: '设置' }).click()
  await page.getByText('English').click()
  await page.getByRole('heading', { level: 1, name: 'Services' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { level: 1, name: 'Services' }).waitFor()
})

test('light and dark, as the system or by choice', async () => {
  const page = await open('dc1/services', { colorScheme: 'dark' })
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  await page.getByRole('heading', { level: 1 }).waitFor()
  const dark = await background()
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('dialog').getByText('Light').click()
  await page.waitForFunction((was) => getComputedStyle(document.body).backgroundColor !== was, dark)
  await page.reload()
  await page.getByRole('heading', { level: 1 }).waitFor()
  expect(await background()).not.toBe(dark)
})

test('a token goes into a header, stays in the tab, and never into an address', async () => {
  const page = await open('dc1/services')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByLabel('Token (secret ID)').fill('my-secret-token')
  const sent = page.waitForRequest((r) => r.headers()['x-consul-token'] === 'my-secret-token')
  const addresses: string[] = []
  page.on('request', (r) => addresses.push(r.url()))
  await page.getByRole('dialog').getByRole('button', { name: 'Log in' }).click()
  await sent
  await page.getByRole('button', { name: 'Token set' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Token set' }).waitFor()
  expect(addresses.join()).not.toContain('my-secret-token')
  expect(page.url()).not.toContain('my-secret-token')
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('my-secret-token')
  await page.getByRole('button', { name: 'Token set' }).click()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'Log in' }).waitFor()
})

test('a refusal names the rule that is missing', async () => {
  const page = await open('dc1/services', { expectTrouble: true })
  await page.route('**/v1/internal/ui/services*', (r) => r.fulfill({ status: 403, contentType: 'text/plain',
    body: `Permission denied: token with AccessorID 'a' lacks permission 'service:read' on "web"` }))
  await page.reload()
  await page.getByText('service "web" {').waitFor()
  await page.getByText('Without a token this may not be done').waitFor()
  await page.getByRole('button', { name: 'Log in with another token' }).click()
  await page.getByRole('dialog', { name: 'Log in with a token' }).waitFor()
})

test('what may not be seen is not said to be well', async () => {
  const page = await open('dc1/overview', { expectTrouble: true })
  await page.route('**/v1/health/state/any*', (r) => r.fulfill({ status: 403, body: `Permission denied: anonymous token lacks permission 'node:read' on "dev"` }))
  await page.reload()
  await page.getByText('node "dev" {').waitFor()
  expect(await page.getByText(/Every check passes|All is well/).count()).toBe(0)
  await page.getByRole('link', { name: 'Checks' }).click()
  await page.getByText('node "dev" {').waitFor()
})

test('intentions and tokens have a place only where they exist', async () => {
  const page = await open('dc1/services')
  await page.getByRole('link', { name: 'Events' }).waitFor()
  expect(await page.getByRole('link', { name: /Intentions|Tokens/ }).count()).toBe(0)
  await page.route('**/v1/connect/intentions*', (r) => r.fulfill({ json: [{ ID: '1', SourceName: 'web', DestinationName: 'db', Action: 'allow', Description: '', Precedence: 9 }] }))
  await page.route('**/v1/acl/tokens*', (r) => r.fulfill({ json: [{ AccessorID: 'a1', Description: 'for tests', Policies: [{ ID: '1', Name: 'ops' }], Local: false, CreateTime: '' }] }))
  await page.reload()
  await page.getByRole('link', { name: 'Intentions' }).click()
  await row(page, 'Intentions', 'db').getByText('Allow').waitFor()
  await page.getByRole('link', { name: 'Tokens' }).click()
  await row(page, 'Tokens', 'for tests').getByText('ops').waitFor()
})

test('an event is fired, and seen at once', async () => {
  const page = await open('dc1/events')
  await page.getByRole('button', { name: 'Fire an event' }).click()
  await page.getByLabel('Name').fill('deploy')
  await page.getByLabel('Payload').fill('v2 <b>')
  await page.getByRole('button', { name: 'Fire', exact: true }).click()
  await row(page, 'Events', 'deploy').getByText('v2 <b>').waitFor()
  await fetch(`${agent.url}/v1/event/fire/other`, { method: 'PUT' })
  await row(page, 'Events', 'other').getByText('no payload').waitFor()
})

test('sessions are listed and searched', async () => {
  await put('/v1/session/create', { Name: 'alpha' })
  await put('/v1/session/create', { Name: 'beta' })
  const page = await open('dc1/sessions')
  await row(page, 'Sessions', 'alpha').waitFor()
  await page.getByLabel('Search').fill('name:beta')
  await row(page, 'Sessions', 'alpha').waitFor({ state: 'detached' })
})

test('the overview says whether all is well, and what has changed', async () => {
  await put('/v1/agent/check/register', { Name: 'pulse', TTL: '1h', Status: 'passing' })
  const page = await open('dc1/overview')
  const before = await afresh(page, 'dc1/overview')
  await page.getByRole('region', { name: 'Servers' }).getByText('dev', { exact: true }).waitFor()
  await page.getByText('Nothing has changed since').waitFor()
  await put('/v1/agent/check/fail/pulse')
  await page.getByText('pulse on dev: Critical').waitFor()
  await page.getByText('Something is broken').waitFor()
  await put('/v1/agent/check/deregister/pulse')
  await page.getByText('pulse on dev passes again, or is gone').waitFor()
  await before.services
  await put('/v1/agent/service/register', { Name: 'newcomer' })
  await page.getByText('Service newcomer appeared').waitFor()
  await put('/v1/agent/service/deregister/newcomer')
  await page.getByText('Service newcomer is gone').waitFor()
})

test('a page at rest does not keep the agent busy', async () => {
  const page = await open('dc1/overview')
  const asked: string[] = []
  page.on('request', (r) => asked.push(new URL(r.url()).pathname))
  const before = await afresh(page, 'dc1/overview')
  for (const place of ['Nodes', 'Services', 'Key/Value', 'Sessions', 'Checks', 'Overview']) {
    await page.getByRole('link', { name: place, exact: true }).first().click()
    await page.getByRole('heading', { level: 1, name: place }).waitFor()
  }
  await before.services
  await put('/v1/agent/service/register', { Name: 'at-rest' })
  await page.getByText('Service at-rest appeared').waitFor() // the second of the questions that are asked every 5 s
  await put('/v1/agent/service/deregister/at-rest')
  for (const path of ['/v1/agent/members', '/v1/catalog/services', '/v1/status/leader', '/v1/catalog/datacenters', '/v1/connect/intentions']) {
    const times = asked.filter((a) => a === path).length
    expect(times, path).toBeGreaterThan(0)
    expect(times, path).toBeLessThan(10)
  }
})

test('a place that is not there', async () => {
  const page = await open('dc1/nowhere')
  await page.getByRole('link', { name: 'To the overview' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})

test('a thousand rows are drawn a few at a time, and the place in them is kept', async () => {
  const page = await open('dc1/services')
  const many = Array.from({ length: 1000 }, (_, i) => ({ Name: `many-${i}`, Datacenter: 'dc1', Tags: [], Nodes: [], ExternalSources: [], InstanceCount: 1, ChecksPassing: 1, ChecksWarning: 0, ChecksCritical: 0 }))
  let index = 10
  let release = () => {}
  await page.route('**/v1/internal/ui/services*', async (r) => {
    if (r.request().url().includes('index=')) await new Promise<void>((done) => (release = done))
    await r.fulfill({ json: many, headers: { 'X-Consul-Index': String(index) } }).catch(() => {})
  })
  await page.reload()
  const list = page.getByRole('list', { name: 'Services' })
  await row(page, 'Services', 'many-0').first().waitFor()
  expect(await list.getByRole('listitem').count()).toBeLessThan(60)
  await list.evaluate((el) => (el.scrollTop = 20_000))
  const seen = row(page, 'Services', 'many-360')
  await seen.waitFor()
  many[360]!.ChecksCritical = 1
  index = 11
  release()
  await seen.locator('[data-status=critical]').waitFor()
  expect(await list.evaluate((el) => el.scrollTop)).toBe(20_000)
  await seen.click()
  await page.goBack()
  await row(page, 'Services', 'many-360').waitFor()
})
