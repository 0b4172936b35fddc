// Screenshots of every page: node tools/shots.mjs URL FOLDER [PART OF A NAME]
import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'

const [url, folder, only = ''] = process.argv.slice(2)
const pages = {
  overview: 'dc1/overview', services: 'dc1/services', service: 'dc1/services/payments', instance: 'dc1/services/payments/instances/db-node-1/payments-0',
  nodes: 'dc1/nodes', node: 'dc1/nodes/web-node-1', rtt: 'dc1/nodes?view=rtt', checks: 'dc1/checks', kv: 'dc1/kv/app/config/settings.json/edit', folder: 'dc1/kv/app/?folder=1',
  sessions: 'dc1/sessions', events: 'dc1/events', empty: 'dc1/services?q=status:critical+nothing', lost: 'dc1/nowhere', binary: 'dc1/kv/app/logo.bin/edit',
}
const sizes = { desktop: { width: 1440, height: 900 }, phone: { width: 360, height: 760 }, wall: { width: 2560, height: 1440 } }
mkdirSync(folder, { recursive: true })
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
for (const [size, viewport] of Object.entries(sizes)) {
  for (const colorScheme of ['light', 'dark']) {
    for (const locale of ['en-US', 'zh-CN']) {
      const wanted = Object.entries(pages).filter(([name]) => `${name}-${size}-${colorScheme}-${locale}`.includes(only) || only.split(',').includes(`${name}-${size}-${colorScheme}-${locale}`))
      if (wanted.length === 0) continue
      const context = await browser.newContext({ viewport, colorScheme, locale, hasTouch: size === 'phone' })
      const page = await context.newPage()
      page.on('console', (m) => m.type() === 'error' && !/Failed to load/.test(m.text()) && console.log(m.text()))
      page.on('pageerror', (e) => console.log(e.message))
      for (const [name, path] of wanted) {
        await page.goto(`${url}/ui/${path}`)
        await page.waitForTimeout(name === 'kv' || name === 'binary' ? 2500 : 1200)
        await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}-${locale}.png` })
      }
      await context.close()
    }
  }
}
await browser.close()
