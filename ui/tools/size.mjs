// How large the page is as it is sent: what it loads at once has a limit.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const limit = 250 * 1024
const dist = new URL('../dist/', import.meta.url)
const size = (name) => gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length
const page = readFileSync(new URL('index.html', dist), 'utf8')
const first = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => m[1])
const all = readdirSync(new URL('assets/', dist)).map((name) => `assets/${name}`)
const sum = (names) => names.reduce((total, name) => total + size(name), 0)

const atOnce = sum(first) + size('index.html')
const later = sum(all.filter((name) => !first.includes(name)))
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`
console.log(`the page: ${kib(atOnce)} gzipped at once (at most ${kib(limit)}), ${kib(later)} more when a value is opened`)
if (atOnce > limit) process.exit(1)
