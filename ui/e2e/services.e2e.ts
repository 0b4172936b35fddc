import { afterAll, beforeAll, expect, test } from 'vitest'
import { devAgent } from './agents.ts'
import { agent, open, put, row } from './page.ts'

const register = (name: string, more: object = {}) => put('/v1/agent/service/register', { Name: name, ...more })

beforeAll(async () => {
  await register('web', { Tags: ['v1', 'rails'], Port: 8080, Check: { TTL: '1h', Status: 'passing' } })
  await register('api', { Tags: ['v2'], Port: 9090, Check: { CheckID: 'api-ttl', TTL: '1h', Status: 'critical' } })
})

afterAll(async () => {
  for (const id of ['web', 'api']) await put(`/v1/agent/service/deregister/${id}`)
})

test('the page is where the root leads', async () => {
  const page = await open('')
  await page.goto(agent.url + '/')
  expect(new URL(page.url()).pathname).toMatch(/^\/ui\//)
})

test('the page is at another path where the agent is told so', async () => {
  const other = await (await devAgent('other', ['-ui-content-path', '/tools/muster/'])).start().ready()
  try {
    const page = await open('../', { url: other.url }) // the root
    expect(new URL(page.url()).pathname).toMatch(/^\/tools\/muster\//)
    await page.getByRole('link', { name: 'Nodes', exact: true }).click()
    await row(page, 'Nodes', 'other').click()
    await page.getByRole('heading', { level: 1, name: 'other' }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/tools/muster/dc1/nodes/other')
    await page.reload()
    await page.getByRole('heading', { level: 1, name: 'other' }).waitFor()
  } finally {
    await other.remove()
  }
})

test('services are listed with their health and tags', async () => {
  const page = await open('dc1/services')
  const web = row(page, 'Services', 'web')
  await web.locator('[data-status=passing]').waitFor()
  await web.getByText('rails').waitFor()
  await row(page, 'Services', 'api').locator('[data-status=critical]').waitFor()
})

test('a change appears by itself', async () => {
  const page = await open('dc1/services')
  const api = row(page, 'Services', 'api')
  await api.locator('[data-status=critical]').waitFor()
  await put('/v1/agent/check/pass/api-ttl')
  await api.locator('[data-status=passing]').waitFor()
  await put('/v1/agent/check/fail/api-ttl')
  await api.locator('[data-status=critical]').waitFor()
})

test('the search understands fields', async () => {
  const page = await open('dc1/services')
  await row(page, 'Services', 'web').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('status:critical tag:v2 node:d*')
  await row(page, 'Services', 'web').waitFor({ state: 'detached' })
  expect(await row(page, 'Services', 'api').count()).toBe(1)
  expect(new URL(page.url()).searchParams.get('q')).toBe('status:critical tag:v2 node:d*')
  await page.reload()
  await row(page, 'Services', 'api').waitFor()
  expect(await row(page, 'Services', 'web').count()).toBe(0)
})
