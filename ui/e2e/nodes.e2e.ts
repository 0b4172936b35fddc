import { beforeAll, expect, test } from 'vitest'
import { get, open, put, row } from './page.ts'

beforeAll(async () => {
  await put('/v1/catalog/register', { Node: 'rack-7', Address: '10.7.0.1', NodeMeta: { rack: 'a7' }, Service: { Service: 'lamp', Port: 1 },
    Check: { CheckID: 'lamp-check', Name: 'lamp is on', Status: 'critical', Output: 'dark', ServiceID: 'lamp' } })
})

test('nodes with their health, the leader marked', async () => {
  const page = await open('dc1/nodes')
  await row(page, 'Nodes', 'dev').getByText('Leader').waitFor()
  await row(page, 'Nodes', 'rack-7').locator('[data-status=critical]').waitFor()
  await page.getByLabel('Search').fill('meta:rack=a7 service:lamp')
  await row(page, 'Nodes', 'dev').waitFor({ state: 'detached' })
  await row(page, 'Nodes', 'rack-7').click()
  await page.getByRole('heading', { level: 1, name: 'rack-7' }).waitFor()
})

test('a node: checks, services, metadata, round trips', async () => {
  const page = await open('dc1/nodes/rack-7')
  await page.getByText('dark').waitFor()
  await page.getByRole('link', { name: 'Services 1' }).click()
  await row(page, 'Services', 'lamp').waitFor()
  await page.getByRole('link', { name: 'Metadata' }).click()
  await page.getByText('a7').waitFor()
  await page.getByRole('link', { name: 'Round-trip times' }).click()
  await page.getByText('No network coordinates yet').waitFor()
})

test('sessions of a node with their locks, and their end', async () => {
  const { ID } = JSON.parse(await put('/v1/session/create', { Name: 'holder', LockDelay: '1ms' })) as { ID: string }
  await put(`/v1/kv/locks/one?acquire=${ID}`, 'x')
  const page = await open('dc1/nodes/dev/sessions')
  const session = row(page, 'Sessions', 'holder')
  await session.getByRole('link', { name: 'locks/one' }).waitFor()
  await session.getByRole('button', { name: 'End' }).click()
  await page.getByRole('dialog').getByText('Its locks are released').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'End' }).click()
  await session.waitFor({ state: 'detached' })
  expect(await get(`/v1/session/info/${ID}`)).toEqual([])
})

test('maintenance mode of the node itself', async () => {
  const page = await open('dc1/nodes/dev')
  await page.getByRole('button', { name: 'Maintenance mode' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Maintenance mode' }).click()
  await page.locator('[data-status=maintenance]').first().waitFor()
  await page.getByRole('button', { name: 'End maintenance' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End maintenance' }).click()
  await page.locator('[data-status=maintenance]').first().waitFor({ state: 'detached' })
})

test('a node without an agent is taken out', async () => {
  await put('/v1/catalog/register', { Node: 'old-box', Address: '10.7.0.9' })
  const page = await open('dc1/nodes/old-box')
  await page.getByRole('button', { name: 'Take it out' }).click()
  await page.getByRole('dialog').getByText('No agent runs on this node').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Take it out' }).click()
  await page.getByRole('heading', { level: 1, name: 'Nodes' }).waitFor()
  await row(page, 'Nodes', 'old-box').waitFor({ state: 'detached' })
})

test('the agent that serves the page is not taken out', async () => {
  const page = await open('dc1/nodes/dev')
  await page.getByRole('button', { name: 'Take it out' }).click()
  await page.getByRole('dialog').getByText('This is the agent that serves this page').waitFor()
  expect(await page.getByRole('dialog').getByRole('button', { name: 'Take it out' }).count()).toBe(0)
})

test('checks that do not pass, newest first', async () => {
  const check = (id: string, status: string) => put('/v1/catalog/register', { Node: 'rack-7', Address: '10.7.0.1', Check: { CheckID: id, Name: id, Status: status, Output: `${id} says ${status}` } })
  await check('first', 'critical')
  await check('second', 'warning')
  const page = await open('dc1/checks')
  const list = page.getByRole('list', { name: 'Checks' }).getByRole('listitem')
  await list.filter({ hasText: 'second' }).waitFor()
  const texts = await list.allInnerTexts()
  expect(texts.findIndex((t) => t.includes('second says'))).toBeLessThan(texts.findIndex((t) => t.includes('first says')))
  await list.filter({ hasText: 'second' }).click()
  await page.getByRole('complementary', { name: 'second' }).getByRole('link', { name: 'rack-7' }).waitFor()
  await check('second', 'passing')
  await list.filter({ hasText: 'second' }).waitFor({ state: 'detached' })
  await check('first', 'passing')
})
