import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const binary = resolve(here, '../..', process.env.MUSTER_BIN ?? 'bin/muster')

/** A real agent on free ports of this machine. */
export class Agent {
  private child: ChildProcess | undefined
  private log = ''

  constructor(
    readonly name: string,
    readonly ports: Ports,
    private readonly args: string[],
    private readonly dir?: string,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.ports.http}`
  }

  start(): this {
    this.child = spawn(binary, ['agent', ...this.args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: Buffer) => (this.log = (this.log + chunk).slice(-20_000))
    this.child.stdout?.on('data', keep)
    this.child.stderr?.on('data', keep)
    return this
  }

  /** Waits until it has a leader and its own node is in the catalog. */
  async ready(): Promise<this> {
    await until(`${this.name} is ready`, async () => {
      if (this.child?.exitCode != null) throw new Error(`${this.name} ended:\n${this.log}`)
      const nodes = await fetch(`${this.url}/v1/health/node/${this.name}`).then((r) => (r.ok ? r.json() : []), () => [])
      return (nodes as { Status: string }[]).some((c) => c.Status === 'passing')
    })
    return this
  }

  /** Kills it, or stops it in good order. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.child
    this.child = undefined
    if (!child || child.exitCode != null || child.signalCode != null) return
    await new Promise((done) => {
      child.once('exit', done)
      child.kill(signal)
    })
  }

  /** Stops it and forgets what it had. */
  async remove(): Promise<void> {
    await this.stop()
    if (this.dir) rmSync(this.dir, { recursive: true, force: true })
  }

  async put(path: string, body?: unknown): Promise<string> {
    const response = await fetch(this.url + path, { method: 'PUT', body: typeof body === 'string' ? body : JSON.stringify(body) })
    const text = await response.text()
    if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${text}`)
    return text
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.url + path)
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  async delete(path: string): Promise<void> {
    await fetch(this.url + path, { method: 'DELETE' })
  }
}

interface Ports { http: number; dns: number; lan: number; wan: number; server: number }

/** A page that is not in the binary yet. */
const page = process.env.MUSTER_UI_DIR ? ['-ui-dir', process.env.MUSTER_UI_DIR] : []

/** An agent in development mode. */
export async function devAgent(name = 'dev', more: string[] = []): Promise<Agent> {
  const ports = await freePorts()
  return new Agent(name, ports, ['-dev', '-node', name, ...page, ...portArgs(ports), ...more])
}

/** Servers that form a cluster of their own. */
export async function servers(count: number): Promise<Agent[]> {
  const list: Agent[] = []
  let first: Ports | undefined
  for (let i = 1; i <= count; i++) {
    const ports = await freePorts()
    first ??= ports
    const dir = mkdtempSync(join(tmpdir(), 'muster-ui-'))
    list.push(new Agent(`s${i}`, ports, ['-server', '-ui', ...page, '-node', `s${i}`, '-bind', '127.0.0.1', '-data-dir', dir,
      '-bootstrap-expect', String(count), '-retry-join', `127.0.0.1:${first.lan}`, '-retry-interval', '1s', ...portArgs(ports)], dir))
  }
  for (const agent of list) agent.start()
  await Promise.all(list.map((agent) => agent.ready()))
  return list
}

/** A client agent of a cluster. */
export async function client(name: string, of: Agent): Promise<Agent> {
  const ports = await freePorts()
  const dir = mkdtempSync(join(tmpdir(), 'muster-ui-'))
  return new Agent(name, ports, ['-node', name, '-bind', '127.0.0.1', '-data-dir', dir, '-retry-join', `127.0.0.1:${of.ports.lan}`,
    '-retry-interval', '1s', ...portArgs(ports)], dir).start()
}

function portArgs(p: Ports): string[] {
  return ['-http-port', `${p.http}`, '-dns-port', `${p.dns}`, '-serf-lan-port', `${p.lan}`, '-serf-wan-port', `${p.wan}`,
    '-server-port', `${p.server}`, '-grpc-port', '-1']
}

/**
 * Ports that nobody has: a block of ten below those that the kernel gives to
 * outgoing connections, so that an agent finds them again when it starts anew.
 * Who listens on the block's last one, for as long as the tests run, has the block.
 */
async function freePorts(): Promise<Ports> {
  for (let tries = 0; tries < 1_000; tries++) {
    const block = 15_000 + 10 * Math.floor(Math.random() * 1_700)
    if (!(await listens(createServer().listen(block + 9, '127.0.0.1')))) continue
    const [http, dns, lan, wan, server] = [block, block + 1, block + 2, block + 3, block + 4]
    if ((await Promise.all([http, dns, lan, wan, server].map(isFree))).every(Boolean)) return { http, dns, lan, wan, server }
  }
  throw new Error('no free ports')
}

/** Whether a server could begin to listen. It does not keep the process alive. */
function listens(server: Server): Promise<boolean> {
  return new Promise((done) => server.unref().once('listening', () => done(true)).once('error', () => done(false)))
}

/** Whether nobody has a port, for TCP or UDP. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  if (!(await listens(server))) return false
  await new Promise((done) => server.close(done))
  const socket = createSocket('udp4')
  return new Promise((done) => {
    socket.once('error', () => done(false))
    socket.bind(port, '127.0.0.1', () => socket.close(() => done(true)))
  })
}

/** Asks again and again until something holds, for 20 s at most. */
export async function until(what: string, holds: () => Promise<boolean>, limit = 20_000): Promise<void> {
  const end = Date.now() + limit
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`)
    await new Promise((r) => setTimeout(r, 100))
  }
}
