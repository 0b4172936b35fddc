import type { Instance } from '../api/types.ts'

/** Where an instance listens: its own address, else its node's. IPv6 in brackets. */
export function addressOfInstance(i: Instance): string {
  const host = i.Service.Address || i.Node.Address
  if (!i.Service.Port) return host
  return `${host.includes(':') ? `[${host}]` : host}:${i.Service.Port}`
}

/** One text for an instance among all of its service. */
export function instanceKey(i: Instance): string {
  return `${i.Node.Node}\n${i.Service.ID}`
}

export interface Reach {
  name: string
  dig: string
  digSrv: string
  digTag?: string
  curl: string
}

/**
 * How a service is found by DNS and HTTP, ready to be typed. The name is that
 * of RFC 2782 only for SRV; addresses have the short one.
 */
export function reachOf(service: string, options: { domain: string; datacenter: string; host: string; dnsPort: number; origin: string; tag?: string }): Reach {
  const domain = options.domain.replace(/\.+$/, '')
  const dc = options.datacenter ? `.${options.datacenter}` : ''
  const name = `${service}.service${dc}.${domain}`
  const dig = (what: string, type: string) => `dig @${options.host} -p ${options.dnsPort} ${what}${type ? ` ${type}` : ''}`
  const query = `passing${options.datacenter ? `&dc=${encodeURIComponent(options.datacenter)}` : ''}`
  return {
    name,
    dig: dig(name, ''),
    digSrv: dig(name, 'SRV'),
    digTag: options.tag ? dig(`${options.tag}.${name}`, '') : undefined,
    curl: `curl '${options.origin}/v1/health/service/${encodeURIComponent(service)}?${query}'`,
  }
}
