// Figures of the page under load: node tools/figures.mjs URL
// Registers 1,000 services with 10 instances each at the agent, then measures in
// Chromium: time to the first list, heap after a collection, and the time from a
// write to its being on the screen. An agent of its own, please.
import { chromium } from 'playwright-core'

const [url] = process.argv.slice(2)
const services = 1000
const instances = 10

async function put(path, body) {
  const r = await fetch(url + path, { method: 'PUT', body: JSON.stringify(body) })
  const text = await r.text()
  if (!r.ok) throw new Error(`${path}: ${r.status} ${text}`)
}

for (let n = 0; n < 100; n++) await put('/v1/catalog/register', { Node: `node-${n}`, Address: `10.0.${n}.1` })
let ops = []
for (let s = 0; s < services; s++) {
  for (let i = 0; i < instances; i++) {
    const Node = `node-${(s + i * 7) % 100}`
    const ID = `service-${s}-${i}`
    ops.push({ Service: { Verb: 'set', Node, Service: { ID, Service: `service-${s}`, Port: 8000 + i, Tags: ['v1', `zone-${i % 3}`] } } })
    ops.push({ Check: { Verb: 'set', Check: { Node, CheckID: ID, Name: 'answers', Status: 'passing', ServiceID: ID, Output: 'HTTP GET /health: 200 OK' } } })
    if (ops.length >= 60) await put('/v1/txn', ops), (ops = [])
  }
}
if (ops.length) await put('/v1/txn', ops)

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-precise-memory-info'] })
const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage()
const cdp = await page.context().newCDPSession(page)
const firsts = []
for (let i = 0; i < 5; i++) {
  await page.goto(`${url}/ui/dc1/services`, { waitUntil: 'commit' })
  firsts.push(await page.evaluate(() => new Promise((done) => {
    const look = () => (document.querySelector('main [role=listitem]') ? requestAnimationFrame(() => done(performance.now())) : setTimeout(look, 5))
    look()
  })))
}
await cdp.send('HeapProfiler.collectGarbage')
const { usedSize } = await cdp.send('Runtime.getHeapUsage')
const updates = []
for (let i = 0; i < 20; i++) {
  const status = i % 2 ? 'passing' : 'critical'
  updates.push(await page.evaluate(async (status) => {
    const row = () => [...document.querySelectorAll('main [role=listitem]')].find((el) => el.querySelector('.name')?.textContent.trim().startsWith('service-0'))
    const seen = new Promise((done) => {
      const look = () => (row()?.querySelector(`[data-status=${status}]`) ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look))
      look()
    })
    const sent = performance.now()
    await fetch('/v1/catalog/register', { method: 'PUT', body: JSON.stringify({ Node: 'node-0', SkipNodeUpdate: true, Address: '10.0.0.1', Check: { Node: 'node-0', CheckID: 'service-0-0', Name: 'answers', Status: status, ServiceID: 'service-0-0' } }) })
    const written = performance.now()
    const at = await seen
    return { fromSent: at - sent, fromWritten: at - written }
  }, status))
  await page.waitForTimeout(300)
}
await browser.close()

const sorted = (list) => [...list].sort((a, b) => a - b)
const show = (list) => `median ${Math.round(sorted(list)[list.length >> 1])} ms, worst ${Math.round(Math.max(...list))} ms`
console.log(`first list: ${show(firsts)} (cold: ${Math.round(firsts[0])} ms)`)
console.log(`heap: ${(usedSize / 2 ** 20).toFixed(1)} MiB`)
console.log(`update on the screen, from the write being sent: ${show(updates.map((u) => u.fromSent))}`)
console.log(`update on the screen, from the write being answered: ${show(updates.map((u) => u.fromWritten))}`)
