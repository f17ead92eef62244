import type {
  CheckView,
  DrainOrder,
  HostChange,
  HostDetailView,
  HostInfoView,
  HostLossView,
  JoinGrant,
} from '@kiln/contracts';
import { ApiCalls, jsonBody } from './api-calls.ts';
import type { CallOptions } from './options.ts';

/** The methods of `KilnClient` about hosts. Those that name a host throw a `KilnProblem` with code `host_not_found` if it doesn't exist. */
export class HostCalls extends ApiCalls {
  async hosts({ signal }: CallOptions = {}): Promise<HostInfoView[]> {
    return (await this.json('/v1/hosts', 'hostList', { signal })).hosts;
  }

  /** Checks the pool for what loses builds or keeps them from running. Needs the scope `hosts:operate`. */
  async checks({ signal }: CallOptions = {}): Promise<CheckView[]> {
    return (await this.json('/v1/checks', 'checkList', { signal })).checks;
  }

  /** Returns what the loss of each host would cost, the cheapest first. */
  async hostLosses({ signal }: CallOptions = {}): Promise<HostLossView[]> {
    return (await this.json('/v1/host-losses', 'hostLosses', { signal })).hosts;
  }

  /** Returns a host with the contents of its caches. */
  host(name: string, { signal }: CallOptions = {}): Promise<HostDetailView> {
    return this.json(hostPath(name), 'hostDetail', { signal });
  }

  /** Stops placing builds on a host. */
  cordonHost(name: string, { signal }: CallOptions = {}): Promise<HostInfoView> {
    return this.json(`${hostPath(name)}/cordon`, 'hostView', { method: 'POST', signal });
  }

  /** Resumes placing builds on a host: ends a cordon, a drain or a removal that is under way. */
  uncordonHost(name: string, { signal }: CallOptions = {}): Promise<HostInfoView> {
    return this.json(`${hostPath(name)}/uncordon`, 'hostView', { method: 'POST', signal });
  }

  /** Drains a host: its builds finish, or return to the queue after `deadlineSeconds`. Doesn't wait for that. */
  drainHost(name: string, { signal, ...order }: CallOptions & DrainOrder = {}): Promise<HostInfoView> {
    return this.json(`${hostPath(name)}/drain`, 'hostView', { method: 'POST', ...jsonBody(order), signal });
  }

  /** Overrides the slots and labels that the worker reports. */
  setHost(name: string, change: HostChange, { signal }: CallOptions = {}): Promise<HostInfoView> {
    return this.json(hostPath(name), 'hostView', { method: 'PATCH', ...jsonBody(change), signal });
  }

  /**
   * Removes a host from the pool. Its state is then `removed`, or with `force` `removing` while its builds return to the queue.
   * Throws a `KilnProblem` with code `host_busy` if it has builds and `force` isn't set.
   */
  removeHost(
    name: string,
    { force, signal }: CallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<HostInfoView> {
    return this.json(hostPath(name), 'hostView', { method: 'DELETE', query: { force }, signal });
  }

  /** Returns what a worker needs to join under `name`. The client's token must be a join token. */
  join(name: string, { signal }: CallOptions = {}): Promise<JoinGrant> {
    return this.json('/v1/workers/join', 'joinGrant', { method: 'POST', ...jsonBody({ name }), signal });
  }
}

function hostPath(name: string): string {
  return `/v1/hosts/${encodeURIComponent(name)}`;
}
