import type { Coordinate } from '../api/types.ts'

type Coord = Coordinate['Coord']

/**
 * The round-trip time between two nodes in milliseconds, estimated from their
 * Vivaldi coordinates (Dabek et al., 2004), whose unit is the second.
 */
export function roundTrip(a: Coord, b: Coord): number | undefined {
  if (a.Vec.length !== b.Vec.length) return undefined
  let sum = 0
  for (let i = 0; i < a.Vec.length; i++) sum += ((a.Vec[i] ?? 0) - (b.Vec[i] ?? 0)) ** 2
  const plain = Math.sqrt(sum) + a.Height + b.Height
  const adjusted = plain + a.Adjustment + b.Adjustment
  return (adjusted > 0 ? adjusted : plain) * 1000
}

export interface Distance {
  node: string
  ms: number
}

/** How far the others are from a node, nearest first. */
export function distancesFrom(node: string, all: readonly Coordinate[]): Distance[] {
  const from = all.find((c) => c.Node === node)
  if (!from) return []
  const list: Distance[] = []
  for (const to of all) {
    if (to.Node === node || (to.Segment ?? '') !== (from.Segment ?? '')) continue
    const ms = roundTrip(from.Coord, to.Coord)
    if (ms !== undefined) list.push({ node: to.Node, ms })
  }
  return list.sort((a, b) => a.ms - b.ms)
}

export function median(sorted: readonly Distance[]): number {
  const half = sorted.length / 2
  const at = (i: number) => sorted[i]?.ms ?? 0
  return sorted.length % 2 ? at(Math.floor(half)) : (at(half - 1) + at(half)) / 2
}

/** A time with the digits that matter. */
export function formatMs(ms: number): string {
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`
  if (ms < 10) return `${ms.toFixed(2)} ms`
  return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`
}

/** Places a time between 0 and 1, by its logarithm: the near ones are many, the far ones far. */
export function logScale(min: number, max: number): (ms: number) => number {
  const low = Math.log(Math.max(min, 0.001))
  const high = Math.log(Math.max(max, 0.001))
  return (ms) => (high - low < 1e-9 ? 0.5 : (Math.log(Math.max(ms, 0.001)) - low) / (high - low))
}
