import { expect, onTestFinished, test, vi } from 'vitest'
import { addressOf, Client, keyPath, patience } from './client.ts'
import { ApiError, missingRule, troubleOf } from './errors.ts'
import { parseLossless } from './json.ts'

test('64 bits survive', () => {
  const text = '[{"Key":"a \\"Flags\\": 3304740253564472344","Flags":3304740253564472344,"LockIndex":2,"x":-12345678901234567890,"f":1234567890123456.5}]'
  expect(parseLossless(text)).toEqual([
    { Key: 'a "Flags": 3304740253564472344', Flags: '3304740253564472344', LockIndex: 2, x: '-12345678901234567890', f: 1234567890123456.5 },
  ])
  expect(parseLossless('')).toBeNull()
})

test('addresses', () => {
  expect(addressOf('/v1/kv/', { recurse: true, separator: '', flags: 0 })).toBe('/v1/kv/?recurse=&flags=0')
  expect(addressOf('/v1/x', { tag: ['a', 'b&c'] }, 'dc2')).toBe('/v1/x?dc=dc2&tag=a&tag=b%26c')
  expect(keyPath('a/b c/ü?#%')).toBe('a/b%20c/%C3%BC%3F%23%25')
})

test.each([
  [0, '', 'unreachable'],
  [500, 'No cluster leader', 'no-leader'],
  [500, 'rpc error making call: No cluster leader', 'no-leader'],
  [500, 'No path to datacenter', 'unreachable'],
  [500, 'rpc error getting client: failed to get conn: server cannot be reached: dial tcp 10.0.0.1:8300: connect: connection refused', 'unreachable'],
  [500, 'disk full', 'failed'],
  [403, 'Permission denied', 'denied'],
  [401, 'ACL support disabled', 'unsupported'],
  [404, '', 'missing'],
  [501, 'not yet', 'unsupported'],
  [400, 'Bad request', 'refused'],
  [503, '', 'unreachable'],
])('%d %s: %s', (status, text, trouble) => expect(troubleOf(status, text)).toBe(trouble))

test('the missing rule is read out of the refusal', () => {
  const text = `Permission denied: token with AccessorID 'x' lacks permission 'node:write' on "web-1"`
  expect(missingRule(text)?.rule).toBe('node "web-1" {\n  policy = "write"\n}')
  expect(missingRule(`Permission denied: anonymous token lacks permission 'operator:read'. The anonymous token…`)?.rule).toBe('operator = "read"')
  expect(missingRule('Permission denied: Missing service:write on web')?.rule).toBe('service "web" {\n  policy = "write"\n}')
  expect(missingRule('Permission denied')).toBeUndefined()
})

function clientThat(answer: (input: string, init: RequestInit) => Response | Promise<Response>, token = '') {
  const outcomes: (string | undefined)[] = []
  const client = new Client({
    token: () => token, datacenter: () => '', onOutcome: (e) => outcomes.push(e?.trouble),
    fetch: (async (input: string, init: RequestInit) => answer(input, init)) as unknown as typeof fetch,
  })
  return { client, outcomes }
}

test('the token goes into a header and nowhere else', async () => {
  let seen = ''
  const { client } = clientThat((input, init) => {
    seen = JSON.stringify(init.headers)
    expect(input).not.toContain('secret')
    return new Response('[]')
  }, 'secret')
  await client.get('/v1/x')
  expect(seen).toBe('{"X-Consul-Token":"secret"}')
})

test('an answer with its index, or a trouble with what was said', async () => {
  const good = clientThat(() => new Response('[1]', { headers: { 'X-Consul-Index': '7' } }))
  expect(await good.client.get('/v1/x')).toEqual({ data: [1], index: 7, size: 3 })
  expect(good.outcomes).toEqual([undefined])
  const bad = clientThat(() => new Response('No cluster leader', { status: 500 }))
  await expect(bad.client.get('/v1/x')).rejects.toEqual(new ApiError('no-leader', 500, 'No cluster leader'))
  const gone = clientThat(() => Promise.reject(new TypeError('Failed to fetch')))
  await expect(gone.client.change('PUT', '/v1/x')).rejects.toMatchObject({ trouble: 'unreachable' })
  expect(gone.outcomes).toEqual(['unreachable'])
  const nothing = clientThat(() => new Response('', { status: 404, headers: { 'X-Consul-Index': '9' } }))
  expect(await nothing.client.get('/v1/kv/x', { orNothing: true })).toEqual({ data: null, index: 9, size: 0 })
  await expect(nothing.client.get('/v1/kv/x')).rejects.toMatchObject({ trouble: 'missing' })
})

test('what the page itself gave up is no trouble of the agent', async () => {
  const stop = new AbortController()
  const { client, outcomes } = clientThat(() => {
    stop.abort()
    return Promise.reject(new DOMException('aborted', 'AbortError'))
  })
  await expect(client.get('/v1/x', { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' })
  expect(outcomes).toEqual([])
})

test('a page that was asleep while it waited has waited a part of the time', () => {
  const due: (() => void)[] = []
  vi.stubGlobal('setTimeout', (run: () => void) => due.push(run))
  onTestFinished(() => void vi.unstubAllGlobals())
  const signal = patience(4_000)
  due.shift()?.() // however late
  expect(signal.aborted).toBe(false)
  for (let i = 0; i < 3; i++) due.shift()?.()
  expect(signal.reason).toMatchObject({ name: 'TimeoutError', message: 'no answer within 4 s' })
  expect(due).toEqual([])
})
