const n = (count: number, one: string, many = `${one}s`) => `${count.toLocaleString('en')} ${count === 1 ? one : many}`

/** The page in English. Every other language has exactly these texts. */
export const en = {
  name: 'English',
  nav: {
    label: 'Main',
    overview: 'Overview', services: 'Services', nodes: 'Nodes', checks: 'Checks', kv: 'Key/Value', sessions: 'Sessions',
    events: 'Events', intentions: 'Intentions', tokens: 'Tokens', more: 'More', skip: 'Skip to content',
  },
  bar: {
    datacenter: 'Datacenter', login: 'Log in', loggedIn: 'Token set', help: 'Keyboard and help', theme: 'Theme', language: 'Language',
    themes: { auto: 'As the system', light: 'Light', dark: 'Dark' }, settings: 'Settings',
  },
  status: { passing: 'Passing', warning: 'Warning', critical: 'Critical', maintenance: 'Maintenance' },
  time: {
    seconds: (s: number) => `${s} s`, minutes: (m: number) => `${m} min`, hours: (h: number) => `${h} h`, days: (d: number) => `${d} d`,
    ago: (span: string) => `${span} ago`, now: 'just now',
  },
  count: {
    services: (c: number) => n(c, 'service'), instances: (c: number) => n(c, 'instance'), nodes: (c: number) => n(c, 'node'),
    checks: (c: number) => n(c, 'check'), keys: (c: number) => n(c, 'key'), sessions: (c: number) => n(c, 'session'),
    agents: (c: number) => n(c, 'agent'), events: (c: number) => n(c, 'event'), locks: (c: number) => n(c, 'lock'),
    servers: (c: number) => n(c, 'server'), of: (a: number, b: number) => `${a.toLocaleString('en')} of ${b.toLocaleString('en')}`,
  },
  action: {
    close: 'Close', cancel: 'Cancel', copy: 'Copy', copied: 'Copied', save: 'Save', delete: 'Delete', back: 'Back', retry: 'Try again',
    clear: 'Clear', show: 'Show', hide: 'Hide', confirm: 'Confirm', more: (c: number) => `+${c}`,
  },
  state: {
    comma: ', ', loading: 'Loading…', nothing: 'Nothing here', noMatch: 'Nothing matches this search', clearSearch: 'Clear the search',
    lost: 'There is no such page', toStart: 'To the overview', updated: (time: string) => `As of ${time}`,
  },
  trouble: {
    unreachable: 'The agent does not answer.', noWay: (dc: string) => `The datacenter ${dc} cannot be reached.`, noLeader: 'The cluster has no leader: nothing can be written, and what is shown may be old.',
    known: (span: string) => `You see what was known ${span} ago.`, retrying: 'Trying again by itself.', nothingYet: 'Nothing is known yet.',
    denied: 'Your token may not do this', anonymous: 'Without a token this may not be done', missingRule: 'It lacks this rule:',
    login: 'Log in with another token', unsupported: 'This agent does not offer that (yet).', missing: 'It is not there (any more).',
    failed: 'That did not work', saidAgent: 'The agent said:',
  },
  search: {
    label: 'Search', services: 'Search, or status:critical tag:v1 node:web-*', nodes: 'Search, or status:critical meta:rack=a1 service:web',
    checks: 'Search, or status:critical node:web-* service:api', kv: 'Search whole paths', instances: 'Search, or status:critical tag:v1 node:web-*',
    sessions: 'Search, or node:web-*', fields: (list: string) => `Fields: ${list}`,
  },
  overview: {
    title: 'Overview', allWell: 'All is well', look: 'Something needs attention', bad: 'Something is broken', servers: 'Servers', agents: 'Agents',
    services: 'Services', leader: 'Leader', follower: 'Follower', voter: 'Voter', nonVoter: 'No vote', term: 'Term', applied: 'Applied index',
    contact: 'Last contact', healthy: 'Healthy', unhealthy: 'Unhealthy', unknown: 'Not known', tolerance: (c: number) => c === 0
      ? 'No server may fail now' : `${n(c, 'server')} may fail without an outage`, failing: 'Not passing', changes: 'Changes seen lately',
    noChanges: 'Nothing has changed since this page was opened.', since: (time: string) => `since ${time}`,
    alive: 'Alive', failed: 'Failed', left: 'Left', leaving: 'Leaving', noLeader: 'No leader',
    reasons: { noLeader: 'the cluster has no leader', failed: (c: number) => `${n(c, 'agent')} failed`, critical: (c: number) => `${n(c, 'check')} critical`,
      warning: (c: number) => `${n(c, 'check')} with a warning`, servers: 'a server is not healthy', tolerance: 'no server may fail now' },
    noAutopilot: 'Health by autopilot is not offered by this agent; what Raft tells is shown.', ownOnly: 'Term and index are those of the agent that serves this page.',
    allPassing: 'Every check passes.', version: 'Version', agent: 'Agent', datacenter: 'Datacenter', id: 'ID',
  },
  change: {
    check: (name: string, where: string, from: string, to: string) => `${name} on ${where}: ${from} → ${to}`,
    checkNew: (name: string, where: string, to: string) => `${name} on ${where}: ${to}`, checkOk: (name: string, where: string) => `${name} on ${where} passes again, or is gone`,
    member: (name: string, to: string) => `Agent ${name}: ${to}`, memberNew: (name: string) => `Agent ${name} joined`, memberGone: (name: string) => `Agent ${name} is gone`,
    leader: (to: string) => `New leader: ${to}`, noLeader: 'The leader was lost', serviceNew: (name: string) => `Service ${name} appeared`, serviceGone: (name: string) => `Service ${name} is gone`,
  },
  services: {
    title: 'Services', none: 'No service is registered yet', noneHint: 'Register one with a file in the agent’s configuration folder, or with: muster services register',
    name: 'Name', health: 'Health', instances: 'Instances', tags: 'Tags', kind: 'Kind', checks: 'Checks',
  },
  service: {
    instances: 'Instances', connect: 'How to reach it', dns: 'DNS name', none: 'This service has no instance (any more).', address: 'Address', node: 'Node',
    checks: 'Checks', tags: 'Tags', meta: 'Metadata', weights: 'Weights', id: 'ID', noChecks: 'No checks', noTags: 'No tags', noMeta: 'No metadata', details: 'Details',
    dnsAll: 'Passing instances, as addresses', dnsSrv: 'With their ports', dnsTag: 'Those with a tag', http: 'Over HTTP', allInstances: 'All instances',
    gone: 'This instance is not there (any more).', notes: 'Notes', output: 'Output', noOutput: 'No output', type: 'Type', nodeCheck: 'of the node', kind: 'Kind',
  },
  nodes: {
    title: 'Nodes', none: 'No node is registered', name: 'Name', address: 'Address', services: 'Services', checks: 'Checks', leader: 'Leader', list: 'List', rtt: 'Round-trip times',
    local: 'serves this page', external: 'external', server: 'Server', client: 'Client',
  },
  node: {
    checks: 'Checks', services: 'Services', rtt: 'Round-trip times', meta: 'Metadata', sessions: 'Sessions', gone: 'This node is not registered (any more).', id: 'ID', address: 'Address',
    version: 'Version', addresses: 'Addresses', noServices: 'No service on this node.', noSessions: 'No session belongs to this node.', noMeta: 'No metadata.', status: 'Agent',
  },
  rtt: {
    from: 'From', title: (node: string) => `Round-trip times from ${node}`, none: 'No network coordinates yet. Agents exchange them while they gossip; a lone agent has none.',
    estimate: 'Estimated from network coordinates.', median: 'Median', nearest: 'Nearest', farthest: 'Farthest', plot: (count: number, min: string, max: string) => `${n(count, 'node')} between ${min} and ${max}`,
  },
  checks: {
    title: 'Checks', sub: 'Everything that is not passing, newest first', none: 'Every check passes', noneHint: 'What warns or fails appears here at once.', service: 'Service', node: 'Node', ofNode: 'Node check',
  },
  kv: {
    title: 'Key/Value', root: 'All keys', none: 'No keys yet', noneHint: 'Create the first one, or import a file.', new: 'New key', import: 'Import', export: 'Export', folder: 'Folder', deleteFolder: 'Delete folder',
    pick: 'Choose a key on the left to see and change its value.', key: 'Key', keyHint: 'Slashes make folders.', value: 'Value', flags: 'Flags', language: 'Language', plain: 'Plain text', view: 'View',
    text: 'Text', base64: 'Base64', hex: 'Hex', binary: 'This value is not text; it is shown as hex.', bytes: (c: number) => n(c, 'byte'), modified: 'Modify index', created: 'Create index', locks: 'Lock index',
    unsaved: 'Not saved', review: 'Review and save', create: 'Create', discard: 'Discard changes', discardAsk: 'Leave without saving? What you wrote is lost.', saved: (key: string) => `${key} is saved`, deleted: (key: string) => `${key} is deleted`,
    before: 'Stored', after: 'Yours', reviewTitle: 'What will change', same: 'The value is the same.', flagsChange: (a: string, b: string) => `Flags: ${a} → ${b}`,
    conflict: 'Somebody else changed this key', conflictText: 'It was changed while you were editing. Nothing of yours is written yet. Compare, then decide.', theirs: 'Stored now', takeTheirs: 'Take what is stored', overwrite: 'Overwrite it with mine', keepEditing: 'Go on editing',
    conflictGone: 'It was deleted while you were editing.', changedNow: 'Somebody else has just changed this key.', goneNow: 'Somebody else has just deleted this key.', compare: 'Compare', reload: 'Load it',
    exists: 'This key exists already.', badKey: 'A key must not be empty, begin or end with a slash, or have two in a row.', badFlags: 'Flags are a whole number from 0 to 18446744073709551615.', badBase64: 'This is not Base64.', badHex: 'This is not hex: two digits a byte.',
    invalid: (language: string) => `Not valid ${language}`, valid: (language: string) => `Valid ${language}`, line: (line: number, text: string) => `line ${line}: ${text}`, tooLarge: (max: number) => `Larger than ${max.toLocaleString('en')} bytes, which the agent takes by default.`,
    locked: 'Locked', lockedBy: (session: string, node: string) => `by session ${session} on ${node}`, endSession: 'End the session', deleteTitle: 'Delete this key?', deleteText: (key: string) => `${key} is deleted for everybody, at once.`,
    deleteFolderTitle: 'Delete a whole folder?', deleteFolderText: (folder: string, count: number) => `${folder} and everything in it (${n(count, 'key')}) is deleted for everybody. This cannot be undone.`, typeToConfirm: (text: string) => `Type ${text} to confirm`,
    counting: 'Counting the keys…', importTitle: 'Import keys', importText: 'A file as “muster kv export” writes it. Keys that exist are overwritten; others stay as they are.', file: 'File', orPaste: 'Or paste it', importBelow: 'Put the keys below', importCount: (created: number, changed: number, same: number) => `${created} new, ${changed} changed, ${same} the same`,
    importDo: (c: number) => `Write ${n(c, 'key')}`, imported: (c: number) => `${n(c, 'key')} written`, importPart: (done: number, all: number) => `${done} of ${all} keys were written before this.`, searchLimit: (c: number) => `Only the first ${c} matches are shown.`, folderDeleted: (c: number) => `${n(c, 'key')} deleted`, expand: 'Open', collapse: 'Close', empty: 'This folder has no keys (any more).', missing: 'This key is not there (any more).',
  },
  sessions: {
    title: 'Sessions', none: 'No session is open', noneHint: 'Sessions appear when something takes a lock, for example: muster lock', name: 'Name', node: 'Node', behavior: 'When it ends', release: 'its locks are released', delete: 'its keys are deleted',
    ttl: 'TTL', checks: 'Depends on checks', locks: 'Locks', noLocks: 'no locks', findLocks: 'Look for its locks', end: 'End', endTitle: 'End this session?', endRelease: 'Its locks are released; whoever holds them is no longer protected and must notice.', endDelete: 'The keys that it locks are deleted.', endDelay: (s: string) => `For ${s} nobody can take the same locks.`, ended: 'The session is ended', unnamed: 'without a name', noTtl: 'none',
  },
  events: {
    title: 'Events', none: 'No event has been seen', noneHint: 'Events of the last minutes appear here as the agent hears of them.', fire: 'Fire an event', name: 'Name', payload: 'Payload', nodeFilter: 'Only nodes (regular expression)', serviceFilter: 'Only nodes with a service (regular expression)', tagFilter: 'Only with a tag (regular expression)', fireDo: 'Fire', fired: (name: string) => `${name} is on its way to every agent`, everyone: 'to every agent', live: 'Live', empty: 'no payload', badName: 'An event needs a name.',
  },
  intentions: { title: 'Intentions', none: 'No intention is defined', source: 'Source', destination: 'Destination', allow: 'Allow', deny: 'Deny', precedence: 'Precedence', l7: 'By request' },
  tokens: { title: 'Tokens', none: 'No token', accessor: 'Accessor', policies: 'Policies', roles: 'Roles', local: 'Local', expires: 'Expires' },
  deregister: {
    do: 'Deregister', title: (what: string) => `Deregister ${what}?`, here: 'It runs on the agent that serves this page: it is taken out of the agent and of the catalog, and does not come back unless it is registered again.',
    fromFile: 'If it is defined in a file of the agent, it comes back at the next reload.', elsewhere: (node: string) => `The agent on ${node} has this service and would register it again within minutes. Ask that agent to let go of it, on its machine:`,
    elsewhereToo: 'Taking it out of the catalog only helps if that agent is gone for good.', external: 'No agent runs on this node: what is registered in the catalog is taken out, and stays out.', fromCatalog: 'Take it out of the catalog', done: (what: string) => `${what} is deregistered`,
    nodeTitle: (name: string) => `Take the node ${name} out?`, nodeFailed: 'Its agent has failed. The node, its services and its checks are taken out of the catalog, and its sessions end. If the agent comes back, it registers everything again.', nodeAlive: 'Its agent is alive and would register everything again within minutes. To take it out, let it leave, on its machine:', nodeDo: 'Take it out', nodeLocal: 'This is the agent that serves this page. It cannot be taken out while it runs.',
  },
  maintenance: {
    on: 'Maintenance mode', off: 'End maintenance', onTitle: (what: string) => `Maintenance mode for ${what}?`, onText: 'Its health turns critical, so that nobody is sent there any more: not by DNS and not by queries for passing instances. It goes on running.', offTitle: (what: string) => `End maintenance of ${what}?`, offText: 'Its health is what its checks say again.', reason: 'Reason, for everybody to read', defaultReason: 'Set in the web page', elsewhere: (node: string) => `Maintenance mode is set by the agent on ${node} itself. On its machine:`, onDone: (what: string) => `${what} is in maintenance mode`, offDone: (what: string) => `${what} is back from maintenance`, external: 'No agent runs on this node that could set it.',
  },
  login: { title: 'Log in with a token', text: 'Kept for this tab only, until it is closed, and sent as a header to this agent and nowhere else.', token: 'Token (secret ID)', do: 'Log in', out: 'Log out', current: 'A token is set for this tab.' },
  help: {
    title: 'Keyboard and search', keys: 'Keyboard', search: 'Search', focus: 'Search', go: 'Go to', move: 'Move in a list', open: 'Open', help: 'This help', escape: 'Close, leave the search',
    words: 'Words that must all be found', field: 'Look in one field only, the whole value', star: 'Anything', not: 'Not', quotes: 'With spaces',
  },
}

export type Messages = typeof en
