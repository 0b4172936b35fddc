import { beforeAll, expect, test } from 'vitest'
import { get, open, put, row } from './page.ts'

const longName = 'a-very-long-service-name-that-nobody-should-have-chosen-but-somebody-did'

beforeAll(async () => {
  await put('/v1/agent/service/register', { ID: 'shop-1', Name: 'shop', Tags: ['v1'], Port: 8080, Meta: { team: 'blue' }, Check: { CheckID: 'shop-http', Name: 'shop answers', TTL: '1h', Status: 'passing' } })
  await put('/v1/agent/check/update/shop-http', { Status: 'warning', Output: 'slow: <b>1.2 s</b>' })
  await put('/v1/catalog/register', { Node: 'outside', Address: '10.9.9.9', NodeMeta: { 'external-node': 'true' }, Service: { ID: 'shop-x', Service: 'shop', Address: 'fd00::1', Port: 81 } })
  await put('/v1/catalog/register', { Node: 'outside', Address: '10.9.9.9', Service: { ID: longName, Service: longName } })
})

test('a service: instances, details, what a check said (as text, not as markup)', async () => {
  const page = await open('dc1/services/shop')
  await row(page, 'Instances', 'shop-x').getByText('[fd00::1]:81').waitFor()
  await row(page, 'Instances', 'shop-1').click()
  const detail = page.getByRole('complementary', { name: 'shop-1' })
  await detail.getByText('slow: <b>1.2 s</b>').waitFor()
  await detail.getByText('team').waitFor()
  await detail.getByText('127.0.0.1:8080').waitFor()
  expect(new URL(page.url()).pathname).toBe('/ui/dc1/services/shop/instances/dev/shop-1')
  await page.reload()
  await detail.getByText('blue').waitFor()
  await detail.getByRole('link', { name: 'Close' }).click()
  await detail.waitFor({ state: 'detached' })
})

test('lines to copy', async () => {
  const page = await open('dc1/services/shop', { permissions: ['clipboard-read', 'clipboard-write'] })
  await page.getByText('How to reach it').click()
  await page.getByText(/^dig @127\.0\.0\.1 -p \d+ shop\.service\.consul SRV$/).waitFor()
  await page.getByText(/^dig .* v1\.shop\.service\.consul$/).waitFor()
  await page.getByRole('button', { name: 'Copy: shop.service.consul', exact: true }).click()
  await page.getByRole('button', { name: 'Copied: shop.service.consul', exact: true }).waitFor()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('shop.service.consul')
})

test('maintenance mode on and off', async () => {
  const page = await open('dc1/services/shop/instances/dev/shop-1')
  await page.getByRole('button', { name: 'Maintenance mode' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('Its health turns critical').waitFor()
  await dialog.getByLabel('Reason').fill('new disk')
  await dialog.getByRole('button', { name: 'Maintenance mode' }).click()
  await row(page, 'Instances', 'shop-1').locator('[data-status=maintenance]').waitFor()
  await page.getByRole('complementary').getByText('new disk').waitFor()
  await page.getByRole('button', { name: 'End maintenance' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End maintenance' }).click()
  await row(page, 'Instances', 'shop-1').locator('[data-status=warning]').waitFor()
})

test('an instance of this agent is deregistered there', async () => {
  await put('/v1/agent/service/register', { ID: 'gone-1', Name: 'gone' })
  const page = await open('dc1/services/gone/instances/dev/gone-1')
  await page.getByRole('button', { name: 'Deregister' }).click()
  await page.getByRole('dialog').getByText('It runs on the agent that serves this page').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Deregister' }).click()
  await page.getByText('This service has no instance').waitFor()
  expect(Object.keys((await get<object>('/v1/agent/services')) ?? {})).not.toContain('gone-1')
})

test('what no agent runs is taken out of the catalog', async () => {
  await put('/v1/catalog/register', { Node: 'outside', Address: '10.9.9.9', Service: { ID: 'ext-1', Service: 'ext' } })
  const page = await open('dc1/services/ext/instances/outside/ext-1')
  await page.getByRole('button', { name: 'Deregister' }).click()
  await page.getByRole('dialog').getByText('No agent runs on this node').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Take it out of the catalog' }).click()
  await page.getByText('This service has no instance').waitFor()
  expect(await get('/v1/catalog/service/ext')).toEqual([])
})

test('a service that is not there says so', async () => {
  const page = await open('dc1/services/nothing')
  await page.getByText('This service has no instance').waitFor()
})
