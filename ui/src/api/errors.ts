/** What kind of trouble a request met; decides what the page says about it. */
export type Trouble =
  | 'unreachable' // no answer at all, from the agent or from the datacenter that it was to ask
  | 'no-leader' // the agent answers, the cluster does not
  | 'denied' // the token lacks a rule
  | 'missing' // there is no such thing
  | 'unsupported' // this agent does not do that
  | 'refused' // the request is wrong
  | 'failed' // anything else

/** An answer that is not what was asked for. `text` is what the agent said. */
export class ApiError extends Error {
  constructor(
    readonly trouble: Trouble,
    readonly status: number,
    readonly text: string,
  ) {
    super(text || trouble)
    this.name = 'ApiError'
  }
}

const noLeader = /no cluster leader|not ready to serve consistent reads|leadership lost|node is not the leader|no known consul servers|raft leader not found/i

const noPath = /no path to datacenter|rpc error getting client|server cannot be reached/i

/** Sorts an answer's status and text into a kind of trouble. */
export function troubleOf(status: number, text: string): Trouble {
  if (status === 0) return 'unreachable'
  if (status === 501) return 'unsupported'
  if (status === 403) return 'denied'
  if (status === 401) return 'unsupported' // "ACL support disabled", and the like
  if (status === 404) return 'missing'
  if (status >= 500 && noLeader.test(text)) return 'no-leader'
  if (status >= 500 && noPath.test(text)) return 'unreachable'
  if (status === 502 || status === 503 || status === 504) return 'unreachable'
  if (status >= 400 && status < 500) return 'refused'
  return 'failed'
}

/** The rule that a refused request would have needed, as far as the text tells. */
export interface MissingRule {
  resource: string
  access: string
  name: string
  /** The rule as it would stand in a policy. */
  rule: string
}

const lacks = /lacks permission '([\w-]+):([\w-]+)'(?: on "([^"]*)")?/
const missing = /Missing ([\w-]+):([\w-]+)(?: on (\S+))?/

/** Rules of these resources have no name in a policy. */
const unnamed = new Set(['operator', 'acl', 'keyring', 'mesh', 'peering'])

/**
 * Reads which rule is missing out of the text of a 403; undefined where it
 * does not say.
 */
export function missingRule(text: string): MissingRule | undefined {
  const m = lacks.exec(text) ?? missing.exec(text)
  if (!m) return undefined
  const [, resource = '', access = '', name = ''] = m
  const rule = unnamed.has(resource)
    ? `${resource} = ${JSON.stringify(access)}`
    : `${resource} ${JSON.stringify(name)} {\n  policy = ${JSON.stringify(access)}\n}`
  return { resource, access, name, rule }
}
