import type { Check, Member } from '../api/types.ts'

/** What is known of the agent on a node. */
export type AgentState = 'alive' | 'failed' | 'external'

/** Only a node with an agent has the check of the gossip. */
export function agentState(checks: readonly Check[] | null | undefined): AgentState {
  const serf = checks?.find((c) => c.CheckID === 'serfHealth')
  if (!serf) return 'external'
  return serf.Status === 'critical' ? 'failed' : 'alive'
}

export type MemberState = 'alive' | 'leaving' | 'left' | 'failed'

const states: MemberState[] = ['alive', 'leaving', 'left', 'failed']

/** The state of a member; the numbers are serf's. */
export function memberState(m: Pick<Member, 'Status'>): MemberState {
  return states[m.Status - 1] ?? 'failed'
}

/** A call as somebody types it on the machine of an agent. */
export function curlPut(path: string): string {
  return `curl --request PUT 'http://127.0.0.1:8500${path.replaceAll("'", "'\\''")}'`
}

/** A word for a shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
