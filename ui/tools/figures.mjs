// Figures of the page under load: node tools/figures.mjs URL
// Registers 1,000 services with 10 instances each, on 1,000 nodes, at the agent,
// then measures in Chromium, for the list of services and that of nodes: time to
// the first list, heap after a collection, and the time from a write to its being
// on the screen. An agent of its own, please.
import { chromium } from 'playwright-core'

const [url] = process.argv.slice(2)
const many = 1000
const instances = 10

async function put(path, body) {
  const r = await fetch(url + path, { method: 'PUT', body: JSON.stringify(body) })
  const text = await r.text()
  if (!r.ok) throw new Error(`${path}: ${r.status} ${text}`)
}

/** Sends operations in transactions of as many as an agent takes. */
async function load(ops) {
  for (let i = 0; i < ops.length; i += 60) await put('/v1/txn', ops.slice(i, i + 60))
}

const ops = []
for (let n = 0; n < many; n++) ops.push({ Node: { Verb: 'set', Node: { Node: `node-${n}`, Address: `10.0.${n >> 8}.${n & 255}` } } })
for (let s = 0; s < many; s++) {
  for (let i = 0; i < instances; i++) {
    const Node = `node-${(s + i * 97) % many}`
    const ID = `service-${s}-${i}`
    ops.push({ Service: { Verb: 'set', Node, Service: { ID, Service: `service-${s}`, Port: 8000 + i, Tags: ['v1', `zone-${i % 3}`] } } })
    ops.push({ Check: { Verb: 'set', Check: { Node, CheckID: ID, Name: 'answers', Status: 'passing', ServiceID: ID, Output: 'HTTP GET /health: 200 OK' } } })
  }
}
await load(ops)

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-precise-memory-info'] })
const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage()
const cdp = await page.context().newCDPSession(page)

const sorted = (list) => [...list].sort((a, b) => a - b)
const show = (list) => `median ${Math.round(sorted(list)[list.length >> 1])} ms, worst ${Math.round(Math.max(...list))} ms`

/** Opens a list again and again; the first time nothing of it is in the browser's store. */
async function first(place) {
  const times = []
  for (let i = 0; i < 5; i++) {
    await page.goto(`${url}/ui/dc1/${place}`, { waitUntil: 'commit' })
    times.push(await page.evaluate(() => new Promise((done) => {
      const look = () => (document.querySelector('main [role=listitem]') ? requestAnimationFrame(() => done(performance.now())) : setTimeout(look, 5))
      look()
    })))
  }
  await cdp.send('HeapProfiler.collectGarbage')
  const { usedSize } = await cdp.send('Runtime.getHeapUsage')
  console.log(`${place}: first list: ${show(times)} (cold: ${Math.round(times[0])} ms), heap ${(usedSize / 2 ** 20).toFixed(1)} MiB`)
}

/** Changes a check back and forth, and waits until the row with the name shows it. */
async function update(place, name) {
  const times = []
  for (let i = 0; i < 20; i++) {
    const status = i % 2 ? 'passing' : 'critical'
    times.push(await page.evaluate(async ({ status, name }) => {
      const row = () => [...document.querySelectorAll('main [role=listitem]')].find((el) => el.querySelector('.name')?.textContent.trim().startsWith(name))
      const seen = new Promise((done) => {
        const look = () => (row()?.querySelector(`[data-status=${status}]`) ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look))
        look()
      })
      const sent = performance.now()
      await fetch('/v1/catalog/register', { method: 'PUT', body: JSON.stringify({ Node: 'node-0', SkipNodeUpdate: true, Address: '10.0.0.0', Check: { Node: 'node-0', CheckID: 'service-0-0', Name: 'answers', Status: status, ServiceID: 'service-0-0' } }) })
      return (await seen) - sent
    }, { status, name }))
    await page.waitForTimeout(300)
  }
  console.log(`${place}: an update is on the screen ${show(times)} after it was sent`)
}

await first('services')
await update('services', 'service-0')
await first('nodes')
await update('nodes', 'node-0')
await browser.close()
