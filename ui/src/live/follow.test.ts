import { expect, test } from 'vitest'
import { follow, gapAfter, nextIndex, retryAfter } from './follow.ts'

/** Follows a script of answers: [index, data], or an error. Records what was asked, heard and waited for. */
async function play(script: ([number, string] | Error)[], more: { hashed?: boolean; every?: number } = {}) {
  const stop = new AbortController()
  const asked: number[] = []
  const heard: string[] = []
  const waits: number[] = []
  let clock = 0
  await follow<string>({
    ask: async (index) => {
      asked.push(index)
      clock += 1_000
      const next = script.shift()
      if (!next) {
        stop.abort()
        return { data: '', index: 0, size: 0 }
      }
      if (next instanceof Error) throw next
      return { index: next[0], data: next[1], size: next[1].length }
    },
    onData: (data) => heard.push(data),
    onError: (error) => heard.push((error as Error).message),
    sleep: async (ms) => void waits.push(ms),
    signal: stop.signal,
    random: () => 1,
    now: () => clock,
    ...more,
  })
  return { asked, heard, waits }
}

test('asks with the index that was answered, and hands on what changed', async () => {
  const { asked, heard, waits } = await play([[5, 'a'], [7, 'b'], [7, 'b'], [9, 'c']])
  expect(asked).toEqual([0, 5, 7, 7, 9])
  expect(heard).toEqual(['a', 'b', 'c'])
  expect(waits).toEqual([])
})

test('an index that goes back starts anew', async () => {
  const { asked, heard } = await play([[50, 'a'], [3, 'b'], [3, 'b'], [4, 'c']])
  expect(asked).toEqual([0, 50, 0, 3, 4])
  expect(heard).toEqual(['a', 'b', 'b', 'c'])
})

test('the index of events may jump anywhere', async () => {
  const { asked } = await play([[50, 'a'], [3, 'b'], [900, 'c']], { hashed: true })
  expect(asked).toEqual([0, 50, 3, 900])
})

test('after failures waits longer and longer, and starts anew', async () => {
  const { asked, heard, waits } = await play([[5, 'a'], new Error('x'), new Error('x'), new Error('x'), [6, 'b']])
  expect(asked).toEqual([0, 5, 0, 0, 0, 6])
  expect(heard).toEqual(['a', 'x', 'x', 'x', 'b'])
  expect(waits).toEqual([500, 1_000, 2_000])
})

test('an endpoint without an index is asked at intervals', async () => {
  const { asked, waits } = await play([[0, 'a'], [0, 'b']])
  expect(asked).toEqual([0, 0, 0])
  expect(waits).toEqual([5_000, 5_000])
  expect((await play([[3, 'a'], [3, 'b']], { every: 700 })).waits).toEqual([700, 700])
})

test('an agent that does not wait is not asked without pause, one with much to tell less often', async () => {
  const stop = new AbortController()
  const waits: number[] = []
  let n = 0
  await follow<number>({
    ask: async () => ({ data: ++n, index: n, size: n === 1 ? 2_000_000 : 9 }),
    onData: () => n === 3 && stop.abort(),
    onError: () => {},
    sleep: async (ms) => void waits.push(ms),
    signal: stop.signal,
    now: () => 0,
  })
  expect(waits).toEqual([2_000, 100, 100])
  expect([gapAfter(0), gapAfter(500_000)]).toEqual([100, 500])
})

test('index 0 would not block', () => {
  expect(nextIndex(0, 0)).toBe(1)
  expect(nextIndex(4, 4)).toBe(4)
  expect(nextIndex(4, 3)).toBe(0)
})

test('waits are bounded and never all alike', () => {
  expect(retryAfter(100, () => 1)).toBe(15_000)
  expect(retryAfter(1, () => 0)).toBe(375)
})
