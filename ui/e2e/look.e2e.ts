import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { beforeAll, expect, test } from 'vitest'
import { open, put } from './page.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const long = 'a-very-long-service-name-that-nobody-should-have-chosen-but-somebody-did-anyway'

beforeAll(async () => {
  await put('/v1/catalog/register', { Node: `node-of-${long}`, Address: '10.0.0.1', Service: { ID: `${long}-1`, Service: long, Tags: ['v1', long, 'x', 'y', 'z'] },
    Check: { CheckID: 'c', Name: `health of ${long}`, Status: 'critical', Output: 'x'.repeat(500), ServiceID: `${long}-1` } })
  await put(`/v1/kv/${long}/${long}.json`, '{"a": 1}')
  await put('/v1/session/create', { Name: long })
})

const places = [
  'dc1/overview', 'dc1/services', `dc1/services/${long}`, `dc1/services/${long}/instances/node-of-${long}/${long}-1`, 'dc1/nodes', `dc1/nodes/node-of-${long}`,
  'dc1/nodes?view=rtt', 'dc1/checks', `dc1/kv/${long}/${long}.json/edit`, `dc1/kv/${long}/?folder=1`, 'dc1/sessions', 'dc1/events', 'dc1/services?q=nothing', 'dc1/nowhere',
]

interface Violation { id: string; nodes: { html: string; failureSummary: string }[] }

// One browser for all places: they are one page.
test.each(['light', 'dark'] as const)('everybody can use every page: WCAG 2.2 AA, %s', { timeout: 120_000 }, async (colorScheme) => {
  const page = await open('dc1/overview', { colorScheme })
  const bad: string[] = []
  for (const place of places) {
    await page.goto(new URL(`/ui/${place}`, page.url()).href)
    await page.locator('main :is(h1, h2, p):visible').first().waitFor()
    if (place.endsWith('edit')) await page.locator('[data-editor=ready]').waitFor()
    await page.evaluate(axe)
    const found = await page.evaluate(async () => {
      const { axe } = window as unknown as { axe: { run: (options: object) => Promise<{ violations: Violation[] }> } }
      return (await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })).violations
    })
    for (const v of found) for (const n of v.nodes) bad.push(`${place}: ${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary.split('\n')[1] ?? ''}`)
  }
  expect(bad).toEqual([])
})

test.each([[360, 740], [2560, 1440]])('nothing sticks out at %d pixels', { timeout: 120_000 }, async (width, height) => {
  const page = await open('dc1/overview', { viewport: { width, height } })
  for (const place of places) {
    await page.goto(new URL(`/ui/${place}`, page.url()).href)
    await page.locator('main :is(h1, h2, p):visible').first().waitFor()
    const wide = await page.evaluate(() => [...document.querySelectorAll('main, .column, .shell')].filter((el) => el.scrollWidth > el.clientWidth + 1).map((el) => `${el.className} ${el.scrollWidth} > ${el.clientWidth}`))
    expect(wide, place).toEqual([])
  }
})
