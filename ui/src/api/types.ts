// The nouns of /v1 as they are answered; only what the page reads.

export type Status = 'passing' | 'warning' | 'critical' | 'maintenance'

export interface ServiceSummary {
  Kind?: string
  Name: string
  Datacenter: string
  Tags: string[] | null
  Nodes: string[] | null
  ExternalSources: string[] | null
  InstanceCount: number
  ChecksPassing: number
  ChecksWarning: number
  ChecksCritical: number
}

export interface Check {
  Node: string
  CheckID: string
  Name: string
  Status: string
  Notes: string
  Output: string
  ServiceID: string
  ServiceName: string
  ServiceTags: string[] | null
  Type?: string
  Definition?: Record<string, unknown>
  CreateIndex: number
  ModifyIndex: number
}

export interface CatalogNode {
  ID: string
  Node: string
  Address: string
  Datacenter?: string
  TaggedAddresses: Record<string, string> | null
  Meta: Record<string, string> | null
}

export interface NodeService {
  Kind?: string
  ID: string
  Service: string
  Tags: string[] | null
  Address: string
  Meta: Record<string, string> | null
  Port: number
  Weights?: { Passing: number; Warning: number }
  EnableTagOverride?: boolean
}

/** An instance: /v1/health/service/:name. */
export interface Instance {
  Node: CatalogNode
  Service: NodeService
  Checks: Check[] | null
}

/** A node with everything on it: /v1/internal/ui/nodes. */
export interface NodeDump extends CatalogNode {
  Services: NodeService[] | null
  Checks: Check[] | null
}

export interface Member {
  Name: string
  Addr: string
  Port: number
  Tags: Record<string, string>
  /** 1 alive, 2 leaving, 3 left, 4 failed. */
  Status: number
}

export interface Self {
  Config: { Datacenter: string; NodeName: string; NodeID: string; Server: boolean; Version: string; PrimaryDatacenter?: string }
  DebugConfig: Record<string, unknown>
  Stats?: Record<string, Record<string, string>>
  Member?: Member
}

export interface RaftServer {
  ID: string
  Node: string
  Address: string
  Leader: boolean
  ProtocolVersion: string
  Voter: boolean
  LastIndex?: number
}

export interface AutopilotServer {
  ID: string
  Name: string
  Address: string
  NodeStatus: string
  Version: string
  LastContact: string | number | null
  LastTerm: number
  LastIndex: number
  Healthy: boolean
  StableSince: string
  Status: string
}

export interface AutopilotState {
  Healthy: boolean
  FailureTolerance: number
  Servers: Record<string, AutopilotServer>
  Leader: string
  Voters: string[] | null
}

export interface Coordinate {
  Node: string
  Segment?: string
  Coord: { Vec: number[]; Error: number; Adjustment: number; Height: number }
}

export interface KvPair {
  Key: string
  /** 64 bits: a text where a number cannot hold it. */
  Flags: number | string
  /** Base64; null is empty. */
  Value: string | null
  LockIndex: number
  Session?: string
  CreateIndex: number
  ModifyIndex: number
}

export interface Session {
  ID: string
  Name: string
  Node: string
  LockDelay: number
  Behavior: string
  TTL: string
  NodeChecks?: string[] | null
  ServiceChecks?: { ID: string }[] | null
  CreateIndex: number
}

export interface UserEvent {
  ID: string
  Name: string
  /** Base64; null is empty. */
  Payload: string | null
  NodeFilter: string
  ServiceFilter: string
  TagFilter: string
  LTime: number
}

export interface Intention {
  ID: string
  SourceName: string
  DestinationName: string
  Action: string
  Description: string
  Precedence: number
  Permissions?: unknown[] | null
}

export interface Token {
  AccessorID: string
  Description: string
  Policies?: { ID: string; Name: string }[] | null
  Roles?: { ID: string; Name: string }[] | null
  Local: boolean
  CreateTime: string
  ExpirationTime?: string
}
