import { type Client, part } from './client.ts'
import { ApiError } from './errors.ts'

/** Takes an instance out of the agent that runs it, which takes it out of the catalog. */
export function deregisterHere(agent: Client, serviceID: string): Promise<string> {
  return agent.change('PUT', `/v1/agent/service/deregister/${part(serviceID)}`)
}

/** Takes an instance, or with no ID a whole node, out of the catalog. */
export function deregisterFromCatalog(client: Client, node: string, serviceID = ''): Promise<string> {
  return client.change('PUT', '/v1/catalog/deregister', serviceID ? { Node: node, ServiceID: serviceID } : { Node: node })
}

/** Makes a failed agent one that left, and takes its node out of the catalog. */
export async function removeFailedNode(client: Client, agent: Client, node: string, isLocal: boolean): Promise<void> {
  if (isLocal) {
    try {
      await agent.change('PUT', `/v1/agent/force-leave/${part(node)}`)
    } catch (error) {
      // an agent that gossip has forgotten needs no leave
      if (!(error instanceof ApiError) || !/no node found/i.test(error.text)) throw error
    }
  }
  await deregisterFromCatalog(client, node)
}

/** Puts an instance of this agent, or with no ID the agent's node, into maintenance mode or out of it. */
export function maintain(agent: Client, enable: boolean, reason: string, serviceID = ''): Promise<string> {
  const path = serviceID ? `/v1/agent/service/maintenance/${part(serviceID)}` : '/v1/agent/maintenance'
  return agent.change('PUT', path, undefined, { query: { enable: String(enable), reason: enable ? reason : '' } })
}
