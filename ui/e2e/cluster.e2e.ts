import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agent, client, devAgent, servers, until } from './agents.ts'
import { open, row } from './page.ts'

let all: Agent[] = []
let worker: Agent
let other: Agent

beforeAll(async () => {
  all = await servers(3)
  worker = await (await client('worker', all[0]!)).ready()
  other = await (await devAgent('far', ['-datacenter', 'dc2', '-retry-join-wan', `127.0.0.1:${all[0]!.ports.wan}`])).start().ready()
  await worker.put('/v1/agent/service/register', { Name: 'job', Port: 7000 })
  await until('both datacenters are known', async () => (await all[0]!.get<string[]>('/v1/catalog/datacenters')).length === 2)
  await until('the job is in the catalog', async () => (await all[0]!.get<unknown[]>('/v1/catalog/service/job')).length === 1)
}, 120_000)

afterAll(() => Promise.all([...all, worker, other].filter(Boolean).map((a) => a.remove())))

const first = () => all[0]!.url

test('the overview shows the servers, their leader and the agents', async () => {
  const page = await open('dc1/overview', { url: first() })
  const table = page.getByRole('region', { name: 'Servers' })
  for (const name of ['s1', 's2', 's3']) await table.getByRole('link', { name, exact: true }).waitFor()
  expect(await table.getByText('Leader, Voter').count()).toBe(1)
  expect(await table.getByText('Follower, Voter').count()).toBe(2)
  await page.getByText('All is well').waitFor()
  await page.getByRole('list', { name: 'Agents' }).getByText('4').waitFor()
})

test('round-trip times as a picture, from a chosen node', { timeout: 90_000 }, async () => {
  await until('coordinates are known', async () => (await all[0]!.get<unknown[]>('/v1/coordinate/nodes')).length === 4, 45_000)
  const page = await open('dc1/nodes?view=rtt', { url: first() })
  await page.getByRole('combobox', { name: 'From' }).selectOption('s2')
  await page.getByText('Round-trip times from s2').first().waitFor()
  await page.getByRole('img', { name: /nodes? between/ }).waitFor()
  await row(page, 'Round-trip times from s2', 's1').getByText(/s$/).waitFor()
})

test('another datacenter', async () => {
  const page = await open('dc1/nodes', { url: first() })
  await page.getByLabel('Datacenter').selectOption('dc2')
  await row(page, 'Nodes', 'far').waitFor()
  expect(new URL(page.url()).pathname).toBe('/ui/dc2/nodes')
  await page.getByRole('link', { name: 'Services' }).click()
  await row(page, 'Services', 'consul').waitFor()
})

test('an instance of another agent: the call for that agent is offered', async () => {
  const page = await open('dc1/services/job/instances/worker/job', { url: first() })
  await page.getByRole('button', { name: 'Deregister' }).click()
  await page.getByRole('dialog').getByText('would register it again').waitFor()
  await page.getByRole('dialog').getByText('muster services deregister -id=job').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Maintenance mode' }).click()
  await page.getByRole('dialog').getByText('muster maint -enable -service=job').waitFor()
})

test('a failed agent is seen, and its node is taken out', { timeout: 90_000 }, async () => {
  const page = await open('dc1/nodes', { url: first() })
  await worker.stop()
  await row(page, 'Nodes', 'worker').locator('[data-status=critical]').waitFor({ timeout: 60_000 })
  await row(page, 'Nodes', 'worker').click()
  await page.getByRole('button', { name: 'Take it out' }).click()
  await page.getByRole('dialog').getByText('Its agent has failed').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Take it out' }).click()
  await row(page, 'Nodes', 'worker').waitFor({ state: 'detached' })
})

test('without a leader the page says so, keeps what it had, and recovers', { timeout: 90_000 }, async () => {
  const page = await open('dc1/services', { url: first() })
  await row(page, 'Services', 'consul').waitFor()
  await Promise.all([all[1]!.stop(), all[2]!.stop()])
  const banner = page.getByRole('alert').filter({ hasText: 'no leader' })
  await banner.waitFor({ timeout: 30_000 })
  await banner.getByText(/You see what was known \d+ s ago/).waitFor()
  expect(await row(page, 'Services', 'consul').isVisible()).toBe(true)
  const late = await open('dc1/services', { url: first() }) // who comes now sees what this server has
  await late.getByRole('alert').filter({ hasText: 'no leader' }).waitFor()
  await row(late, 'Services', 'consul').waitFor({ timeout: 30_000 })
  await late.getByRole('link', { name: 'Nodes' }).click()
  await row(late, 'Nodes', 's1').waitFor()
  all[1]!.start()
  all[2]!.start()
  await banner.waitFor({ state: 'detached', timeout: 45_000 })
  await page.getByRole('link', { name: 'Overview' }).first().click()
  await page.getByText(/^New leader: s[123]$/).waitFor()
  await page.getByText('The leader was lost').waitFor()
})

test('when the agent is gone the page says so, and goes on when it is back', { timeout: 90_000 }, async () => {
  const page = await open('dc1/services', { url: first() })
  await row(page, 'Services', 'consul').waitFor()
  await all[0]!.stop()
  const banner = page.getByRole('alert').filter({ hasText: 'The agent does not answer' })
  await banner.waitFor({ timeout: 30_000 })
  expect(await row(page, 'Services', 'consul').isVisible()).toBe(true)
  expect(await page.locator('main').evaluate((el) => Number(getComputedStyle(el).opacity) < 1 || el.classList.contains('stale'))).toBe(true)
  all[0]!.start()
  await banner.waitFor({ state: 'detached', timeout: 45_000 })
  await until('the cluster has a leader', async () => (await fetch(`${first()}/v1/status/leader`).then((r) => r.text(), () => '""')) !== '""')
  await all[1]!.put('/v1/catalog/register', { Node: 'late', Address: '10.0.0.9', Service: { Service: 'after-the-pause' } })
  await row(page, 'Services', 'after-the-pause').waitFor({ timeout: 30_000 })
})

test('a datacenter that cannot be reached: the page says so, and recovers', { timeout: 90_000 }, async () => {
  const page = await open('dc2/services', { url: first() })
  await row(page, 'Services', 'consul').waitFor()
  await other.stop()
  const banner = page.getByRole('alert').filter({ hasText: 'The datacenter dc2 cannot be reached' })
  await banner.waitFor({ timeout: 30_000 })
  expect(await row(page, 'Services', 'consul').isVisible()).toBe(true)
  other.start()
  await banner.waitFor({ state: 'detached', timeout: 45_000 })
})
