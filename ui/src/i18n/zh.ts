import type { Messages } from './en.ts'

const n = (count: number, unit: string) => `${count.toLocaleString('zh-CN')} ${unit}`

/** The page in Chinese, as operators in China speak. */
export const zh: Messages = {
  name: '简体中文',
  nav: {
    label: '主导航',
    overview: '总览', services: '服务', nodes: '节点', checks: '健康检查', kv: '键值', sessions: '会话',
    events: '事件', intentions: '访问意图', tokens: '令牌', more: '更多', skip: '跳到正文',
  },
  bar: {
    datacenter: '数据中心', login: '登录', loggedIn: '已设置令牌', help: '快捷键与帮助', theme: '外观', language: '语言',
    themes: { auto: '跟随系统', light: '浅色', dark: '深色' }, settings: '设置',
  },
  status: { passing: '正常', warning: '警告', critical: '严重', maintenance: '维护中' },
  time: {
    seconds: (s) => `${s} 秒`, minutes: (m) => `${m} 分钟`, hours: (h) => `${h} 小时`, days: (d) => `${d} 天`,
    ago: (span) => `${span}前`, now: '刚刚',
  },
  count: {
    services: (c) => n(c, '个服务'), instances: (c) => n(c, '个实例'), nodes: (c) => n(c, '个节点'), checks: (c) => n(c, '项检查'),
    keys: (c) => n(c, '个键'), sessions: (c) => n(c, '个会话'), agents: (c) => n(c, '个代理'), events: (c) => n(c, '个事件'),
    locks: (c) => n(c, '把锁'), servers: (c) => n(c, '台服务器'), of: (a, b) => `${a.toLocaleString('zh-CN')} / ${b.toLocaleString('zh-CN')}`,
  },
  action: {
    close: '关闭', cancel: '取消', copy: '复制', copied: '已复制', save: '保存', delete: '删除', back: '返回', retry: '重试',
    clear: '清除', show: '显示', hide: '隐藏', confirm: '确认', more: (c) => `+${c}`,
  },
  state: {
    comma: '，', loading: '正在加载…', nothing: '这里什么都没有', noMatch: '没有符合条件的结果', clearSearch: '清除搜索条件',
    lost: '页面不存在', toStart: '回到总览', updated: (time) => `更新于 ${time}`,
  },
  trouble: {
    unreachable: '代理没有响应。', noWay: (dc) => `无法连接到数据中心 ${dc}。`, noLeader: '集群当前没有领导者：无法写入，显示的内容可能已经过时。',
    known: (span) => `以下是 ${span}前的数据。`, retrying: '正在自动重试。', nothingYet: '还没有取得任何数据。',
    denied: '当前令牌没有这项权限', anonymous: '未登录，没有这项权限', missingRule: '缺少以下规则：',
    login: '换一个令牌登录', unsupported: '此代理（暂）不提供该功能。', missing: '目标不存在（或已被移除）。',
    failed: '操作没有成功', saidAgent: '代理返回：',
  },
  search: {
    label: '搜索', services: '搜索，或 status:critical tag:v1 node:web-*', nodes: '搜索，或 status:critical meta:rack=a1 service:web',
    checks: '搜索，或 status:critical node:web-* service:api', kv: '搜索完整路径', instances: '搜索，或 status:critical tag:v1 node:web-*',
    sessions: '搜索，或 node:web-*', fields: (list) => `可用字段：${list}`,
  },
  overview: {
    title: '总览', allWell: '一切正常', look: '有情况需要留意', bad: '出现故障', servers: '服务器', agents: '代理',
    services: '服务', leader: '领导者', follower: '跟随者', voter: '有投票权', nonVoter: '无投票权', term: '任期', applied: '已应用索引',
    contact: '上次联系', healthy: '健康', unhealthy: '不健康', unknown: '未知',
    tolerance: (c) => (c === 0 ? '目前不能再有服务器故障' : `还可容忍 ${c} 台服务器故障而不影响服务`), failing: '未通过的检查', changes: '最近的变化',
    noChanges: '自打开本页以来没有变化。', since: (time) => `自 ${time} 起`,
    alive: '在线', failed: '故障', left: '已离开', leaving: '正在离开', noLeader: '没有领导者',
    reasons: { noLeader: '集群没有领导者', failed: (c) => `${n(c, '个代理')}故障`, critical: (c) => `${n(c, '项检查')}严重`,
      warning: (c) => `${n(c, '项检查')}警告`, servers: '有服务器不健康', tolerance: '目前不能再有服务器故障' },
    noAutopilot: '此代理不提供 autopilot 健康信息，这里显示 Raft 的状态。', ownOnly: '任期与索引来自提供本页面的代理。',
    allPassing: '所有检查均通过。', version: '版本', agent: '代理', datacenter: '数据中心', id: 'ID',
  },
  change: {
    check: (name, where, from, to) => `${where} 上的 ${name}：${from} → ${to}`,
    checkNew: (name, where, to) => `${where} 上的 ${name}：${to}`, checkOk: (name, where) => `${where} 上的 ${name} 恢复正常或已移除`,
    member: (name, to) => `代理 ${name}：${to}`, memberNew: (name) => `代理 ${name} 加入`, memberGone: (name) => `代理 ${name} 已移除`,
    leader: (to) => `新的领导者：${to}`, noLeader: '失去领导者', serviceNew: (name) => `新服务 ${name}`, serviceGone: (name) => `服务 ${name} 已移除`,
  },
  services: {
    title: '服务', none: '还没有注册任何服务', noneHint: '可以在代理的配置目录中放一个定义文件，或者运行：muster services register',
    name: '名称', health: '健康状态', instances: '实例', tags: '标签', kind: '类型', checks: '检查',
  },
  service: {
    instances: '实例', connect: '访问方式', dns: 'DNS 名称', none: '该服务没有实例（或已全部移除）。', address: '地址', node: '节点',
    checks: '检查', tags: '标签', meta: '元数据', weights: '权重', id: 'ID', noChecks: '没有检查', noTags: '没有标签', noMeta: '没有元数据', details: '详情',
    dnsAll: '健康实例的地址', dnsSrv: '连同端口', dnsTag: '带某个标签的实例', http: '通过 HTTP', allInstances: '所有实例',
    gone: '该实例不存在（或已被移除）。', notes: '备注', output: '输出', noOutput: '没有输出', type: '类型', nodeCheck: '节点检查', kind: '类型',
  },
  nodes: {
    title: '节点', none: '没有注册任何节点', name: '名称', address: '地址', services: '服务', checks: '检查', leader: '领导者', list: '列表', rtt: '往返时延',
    local: '提供本页面', external: '外部节点', server: '服务器', client: '客户端',
  },
  node: {
    checks: '检查', services: '服务', rtt: '往返时延', meta: '元数据', sessions: '会话', gone: '该节点没有注册（或已被移除）。', id: 'ID', address: '地址',
    version: '版本', addresses: '地址列表', noServices: '该节点上没有服务。', noSessions: '该节点没有会话。', noMeta: '没有元数据。', status: '代理状态',
  },
  rtt: {
    from: '起点', title: (node) => `从 ${node} 出发的往返时延`, none: '还没有网络坐标。坐标在代理之间的 gossip 通信中产生，单独一个代理没有坐标。',
    estimate: '根据网络坐标估算。', median: '中位数', nearest: '最近', farthest: '最远', plot: (count, min, max) => `${n(count, '个节点')}，时延介于 ${min} 与 ${max} 之间`,
  },
  checks: {
    title: '健康检查', sub: '所有未通过的检查，最新的在前', none: '所有检查均通过', noneHint: '一旦出现警告或故障，会立即显示在这里。', service: '服务', node: '节点', ofNode: '节点检查',
  },
  kv: {
    title: '键值', root: '所有键', none: '还没有键', noneHint: '新建一个键，或者导入文件。', new: '新建键', import: '导入', export: '导出', folder: '目录', deleteFolder: '删除目录',
    pick: '在左侧选择一个键，即可查看和修改它的值。', key: '键', keyHint: '用斜杠划分目录。', value: '值', flags: 'Flags', language: '格式', plain: '纯文本', view: '显示方式',
    text: '文本', base64: 'Base64', hex: '十六进制', binary: '该值不是文本，以十六进制显示。', bytes: (c) => n(c, '字节'), modified: '修改索引', created: '创建索引', locks: '加锁次数',
    unsaved: '未保存', review: '检查并保存', create: '创建', discard: '放弃修改', discardAsk: '尚未保存，确定离开吗？所做的修改将会丢失。', saved: (key) => `已保存 ${key}`, deleted: (key) => `已删除 ${key}`,
    before: '当前存储', after: '你的修改', reviewTitle: '即将发生的变化', same: '值没有变化。', flagsChange: (a, b) => `Flags：${a} → ${b}`,
    conflict: '这个键已被他人修改', conflictText: '在你编辑期间它被修改了，你的内容尚未写入。请比较之后再决定。', theirs: '现在存储的内容', takeTheirs: '采用已存储的内容', overwrite: '用我的内容覆盖', keepEditing: '继续编辑',
    conflictGone: '在你编辑期间它被删除了。', changedNow: '刚刚有人修改了这个键。', goneNow: '刚刚有人删除了这个键。', compare: '比较', reload: '载入',
    exists: '这个键已经存在。', badKey: '键不能为空，不能以斜杠开头或结尾，也不能出现连续的斜杠。', badFlags: 'Flags 应为 0 到 18446744073709551615 之间的整数。', badBase64: '不是有效的 Base64。', badHex: '不是有效的十六进制：每个字节两位。',
    invalid: (language) => `不是有效的 ${language}`, valid: (language) => `有效的 ${language}`, line: (line, text) => `第 ${line} 行：${text}`, tooLarge: (max) => `超过 ${max.toLocaleString('zh-CN')} 字节，这是代理默认接受的上限。`,
    locked: '已加锁', lockedBy: (session, node) => `由 ${node} 上的会话 ${session} 持有`, endSession: '结束会话', deleteTitle: '删除这个键？', deleteText: (key) => `${key} 会立即被删除，对所有人生效。`,
    deleteFolderTitle: '删除整个目录？', deleteFolderText: (folder, count) => `${folder} 及其中全部内容（${n(count, '个键')}）都会被删除，对所有人生效，无法撤销。`, typeToConfirm: (text) => `输入 ${text} 以确认`,
    counting: '正在统计键的数量…', importTitle: '导入键', importText: '“muster kv export” 写出的文件。已存在的键会被覆盖，其他键保持不变。', file: '文件', orPaste: '或直接粘贴', importBelow: '导入到目录', importCount: (created, changed, same) => `新增 ${created}，修改 ${changed}，相同 ${same}`,
    importDo: (c) => `写入 ${n(c, '个键')}`, imported: (c) => `已写入 ${n(c, '个键')}`, importPart: (done, all) => `在此之前已写入 ${done} / ${all} 个键。`, searchLimit: (c) => `只显示前 ${c} 个结果。`, folderDeleted: (c) => `已删除 ${n(c, '个键')}`, expand: '展开', collapse: '收起', empty: '这个目录没有键（或已被删除）。', missing: '这个键不存在（或已被删除）。',
  },
  sessions: {
    title: '会话', none: '没有打开的会话', noneHint: '有程序加锁时会出现会话，例如：muster lock', name: '名称', node: '节点', behavior: '结束时', release: '释放它的锁', delete: '删除它锁住的键',
    ttl: 'TTL', checks: '依赖的检查', locks: '锁', noLocks: '没有锁', findLocks: '查找它的锁', end: '结束', endTitle: '结束这个会话？', endRelease: '它的锁会被释放；持有者不再受保护，需要自行察觉。', endDelete: '它锁住的键会被删除。', endDelay: (s) => `此后 ${s}内，任何人都不能取得同样的锁。`, ended: '会话已结束', unnamed: '未命名', noTtl: '无',
  },
  events: {
    title: '事件', none: '还没有收到事件', noneHint: '代理收到的事件会实时显示在这里。', fire: '触发事件', name: '名称', payload: '内容', nodeFilter: '仅限节点（正则表达式）', serviceFilter: '仅限拥有此服务的节点（正则表达式）', tagFilter: '仅限带此标签的（正则表达式）', fireDo: '触发', fired: (name) => `${name} 正在发往所有代理`, everyone: '发给所有代理', live: '实时', empty: '没有内容', badName: '事件必须有名称。',
  },
  intentions: { title: '访问意图', none: '没有定义访问意图', source: '来源', destination: '目标', allow: '允许', deny: '拒绝', precedence: '优先级', l7: '按请求判定' },
  tokens: { title: '令牌', none: '没有令牌', accessor: '访问器 ID', policies: '策略', roles: '角色', local: '本地', expires: '过期时间' },
  deregister: {
    do: '注销', title: (what) => `注销 ${what}？`, here: '它运行在提供本页面的代理上：会同时从代理和目录中移除，除非重新注册，否则不会再出现。',
    fromFile: '如果它定义在代理的配置文件中，下次重新加载时会再次出现。', elsewhere: (node) => `${node} 上的代理仍持有这个服务，几分钟内会把它重新注册。请在那台机器上让该代理注销它：`,
    elsewhereToo: '只有当那个代理确实不会再回来时，从目录中移除才有意义。', external: '这个节点上没有代理：目录中的注册会被移除，并且不会再出现。', fromCatalog: '从目录中移除', done: (what) => `已注销 ${what}`,
    nodeTitle: (name) => `移除节点 ${name}？`, nodeFailed: '它的代理已经故障。该节点及其服务、检查会从目录中移除，会话也会结束。如果代理恢复，它会把一切重新注册。', nodeAlive: '它的代理仍在运行，几分钟内会把一切重新注册。若要移除，请在那台机器上让它离开集群：', nodeDo: '移除', nodeLocal: '这是提供本页面的代理，运行期间无法移除。',
  },
  maintenance: {
    on: '维护模式', off: '结束维护', onTitle: (what) => `让 ${what} 进入维护模式？`, onText: '它的健康状态会变为严重，DNS 和只查询健康实例的请求都不会再把流量发给它；它本身继续运行。', offTitle: (what) => `结束 ${what} 的维护？`, offText: '它的健康状态恢复为检查的实际结果。', reason: '原因（所有人可见）', defaultReason: '在网页中设置', elsewhere: (node) => `维护模式由 ${node} 上的代理自己设置。请在那台机器上执行：`, onDone: (what) => `${what} 已进入维护模式`, offDone: (what) => `${what} 已结束维护`, external: '这个节点上没有可以设置维护模式的代理。',
  },
  login: { title: '使用令牌登录', text: '令牌只保存在当前标签页中，关闭即失效；它只以请求头的形式发送给这个代理，不会发送到别处。', token: '令牌（Secret ID）', do: '登录', out: '退出登录', current: '当前标签页已设置令牌。' },
  help: {
    title: '快捷键与搜索', keys: '快捷键', search: '搜索语法', focus: '搜索', go: '前往', move: '在列表中移动', open: '打开', help: '打开本帮助', escape: '关闭，退出搜索',
    words: '必须全部出现的词', field: '只在某个字段中查找，须与整个值相同', star: '任意内容', not: '排除', quotes: '含空格的内容',
  },
}
