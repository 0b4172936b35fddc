import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { agent, open, put } from './page.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const long = 'a-very-long-service-name-that-nobody-should-have-chosen-but-somebody-did-anyway'
let session = ''

beforeAll(async () => {
  await put('/v1/catalog/register', { Node: `node-of-${long}`, Address: '10.0.0.1', Service: { ID: `${long}-1`, Service: long, Tags: ['v1', long, 'x', 'y', 'z'] },
    Check: { CheckID: 'c', Name: `health of ${long}`, Status: 'critical', Output: 'x'.repeat(500), ServiceID: `${long}-1` } })
  await put(`/v1/kv/${long}/${long}.json`, '{"a": 1}')
  await fetch(`${agent.url}/v1/kv/bytes`, { method: 'PUT', body: Uint8Array.from({ length: 200 }, (_, i) => i) })
  session = (JSON.parse(await put('/v1/session/create', { Name: long, LockDelay: '1ms' })) as { ID: string }).ID
  await put(`/v1/kv/locked?acquire=${session}`, 'x')
  await put('/v1/agent/service/register', { Name: 'own', Port: 80 })
  for (const i of ['a', 'b', 'c']) {
    await put('/v1/coordinate/update', { Node: `far-${i}`, Coord: { Vec: [0.01, 0, 0, 0, 0, 0, 0, 0], Error: 1, Adjustment: 0, Height: 0.001 } }).catch(() => '')
  }
})

const press = (name: string | RegExp) => (page: Page) => page.getByRole('button', { name }).first().click()

/** Every page, and every dialog with what opens it. */
const places: [string, string, ((page: Page) => Promise<unknown>)?][] = [
  ['overview', 'dc1/overview'],
  ['services', 'dc1/services'],
  ['a service', `dc1/services/${long}`],
  ['how to reach a service', 'dc1/services/own', (page) => page.getByText('How to reach it').click()],
  ['an instance', `dc1/services/${long}/instances/node-of-${long}/${long}-1`],
  ['deregister an instance', 'dc1/services/own/instances/dev/own', press('Deregister')],
  ['maintenance mode', 'dc1/services/own/instances/dev/own', press('Maintenance mode')],
  ['nodes', 'dc1/nodes'],
  ['a node', `dc1/nodes/node-of-${long}`],
  ['services of a node', 'dc1/nodes/dev/services'],
  ['metadata of a node', 'dc1/nodes/dev/meta'],
  ['sessions of a node', 'dc1/nodes/dev/sessions'],
  ['take a node out', `dc1/nodes/node-of-${long}`, press('Take it out')],
  ['round-trip times', 'dc1/nodes?view=rtt'],
  ['checks', 'dc1/checks'],
  ['a check', `dc1/checks?check=node-of-${long}%2Fc`],
  ['keys', 'dc1/kv/'],
  ['a folder', `dc1/kv/${long}/?folder=1`],
  ['import', `dc1/kv/${long}/?folder=1`, press('Import')],
  ['delete a folder', `dc1/kv/${long}/?folder=1`, press('Delete folder')],
  ['a new key', 'dc1/kv/?new=1'],
  ['a key', `dc1/kv/${long}/${long}.json/edit`],
  ['a locked key', 'dc1/kv/locked/edit'],
  ['bytes', 'dc1/kv/bytes/edit'],
  ['review', 'dc1/kv/bytes/edit', async (page) => {
    await page.locator('[data-editor=ready]').waitFor()
    await page.getByRole('textbox', { name: 'Value' }).click()
    await page.keyboard.insertText('ff ')
    await page.getByRole('button', { name: 'Review and save' }).click()
    await page.locator('.cm-merge-b').waitFor()
  }],
  ['delete a key', 'dc1/kv/bytes/edit', press('Delete')],
  ['sessions', 'dc1/sessions'],
  ['end a session', 'dc1/sessions', press(/^End/)],
  ['events', 'dc1/events'],
  ['fire an event', 'dc1/events', press('Fire an event')],
  ['nothing found', 'dc1/services?q=nothing'],
  ['no such page', 'dc1/nowhere'],
  ['help', 'dc1/events', press('Keyboard and help')],
  ['settings', 'dc1/events', press('Settings')],
  ['log in', 'dc1/events', press('Log in')],
]

interface Violation { id: string; nodes: { html: string; failureSummary: string }[] }

/** What keeps somebody from using what is shown: WCAG 2.2, levels A and AA. */
async function barriers(page: Page, rules: string[]): Promise<string[]> {
  const found = await page.evaluate(async (runOnly) => {
    const { axe } = window as unknown as { axe: { run: (options: object) => Promise<{ violations: Violation[] }> } }
    return (await axe.run({ runOnly, resultTypes: ['violations'] })).violations
  }, rules)
  return found.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary.split('\n')[1] ?? ''}`))
}

/** What is wider than its place. */
function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => [...document.querySelectorAll('main, .column, .shell, dialog[open], dialog[open] .body')]
    .filter((el) => el.scrollWidth > el.clientWidth + 1).map((el) => `${el.tagName} ${el.className}: ${el.scrollWidth} > ${el.clientWidth}`))
}

test.each(places)('everybody can use it, wherever: %s', async (_, path, act) => {
  const page = await open(path, { reducedMotion: 'reduce' })
  await page.locator('main :is(h1, h2, p):visible').first().waitFor()
  await act?.(page)
  if (path.endsWith('edit') && !act) await page.locator('[data-editor=ready]').waitFor()
  await page.evaluate(axe)
  expect(await barriers(page, ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])).toEqual([])
  await page.emulateMedia({ colorScheme: 'dark' })
  expect(await barriers(page, ['color-contrast']), 'dark').toEqual([])
  for (const [width, height] of [[360, 740], [2560, 1440]] as const) {
    await page.setViewportSize({ width, height })
    expect(await tooWide(page), `${width} pixels`).toEqual([])
  }
})

test('everybody can read what is greyed while the agent does not answer', async () => {
  const page = await open(`dc1/services/${long}`, { reducedMotion: 'reduce' })
  await page.getByText('Critical').first().waitFor()
  await page.route('**/v1/**', (route) => route.abort())
  await page.locator('main.stale').waitFor()
  await page.evaluate(axe)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    expect(await barriers(page, ['color-contrast']), colorScheme).toEqual([])
  }
})

test('who wants no motion gets none: a change of scheme is whole at once', async () => {
  const page = await open('dc1/services', { reducedMotion: 'reduce' })
  await page.getByRole('list', { name: 'Services' }).getByRole('listitem').first().waitFor()
  expect(await page.evaluate(() => [...new Set([...document.querySelectorAll('*')].map((el) => getComputedStyle(el).transitionDuration))])).toEqual(['0s'])
})

test.each(['events', 'sessions', 'overview'])('on a phone the present place is seen among the others: %s', async (place) => {
  const page = await open(`dc1/${place}`, { viewport: { width: 360, height: 740 } })
  const link = page.locator('nav a[aria-current]')
  await link.waitFor()
  await expect.poll(() => link.evaluate((el) => [el.getBoundingClientRect().left > -1, el.getBoundingClientRect().right < innerWidth + 1])).toEqual([true, true])
})
