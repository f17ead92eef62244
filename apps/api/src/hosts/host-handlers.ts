import { drainOrder, hostChange, hostName, joinRequest, type OperationId, removeQuery } from '@kiln/contracts';
import type { HostState } from '@kiln/state';
import type { Request, Response } from 'express';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { admitBody } from '../http/body-gate.ts';
import { Complaint, codeOf, fieldComplaint, parameter, parsed } from '../http/complaint.ts';
import { within } from '../http/deadline.ts';
import type { Handler } from '../http/handlers.ts';
import { readJson } from '../http/read-json.ts';
import type { ApiDeps } from '../ports.ts';
import { viewHostDetail } from './host-detail.ts';
import { viewHost } from './host-view.ts';
import { joinGrant } from './join-grant.ts';

type HostOperation = Extract<OperationId, `${string}Host` | 'listHosts' | 'joinPool'>;

/** The routes of hosts: what operators do with them, and how they join. */
export function hostHandlers(
  config: ApiConfig,
  { hosts, hostOperations: operations, log }: Pick<ApiDeps, 'hosts' | 'hostOperations' | 'log'>,
): Record<HostOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const nameOf = (request: Request) => parameter(hostName, 'name', request.params.name);
  /** Answers the host as the order left it. */
  const order = async (
    request: Request,
    response: Response,
    give: (name: string) => Promise<HostState | undefined>,
  ) => {
    const name = nameOf(request);
    const host = await stored(give(name));
    if (!host) throw hostNotFound(name);
    sendJson(response, 200, viewHost(host));
  };

  return {
    async listHosts(_request, response) {
      sendJson(response, 200, { hosts: (await stored(hosts.list())).map(viewHost) });
    },

    async readHost(request, response) {
      const name = nameOf(request);
      const [host, mountUsers] = await stored(Promise.all([hosts.get(name), hosts.mountUsers()]));
      if (!host) throw hostNotFound(name);
      sendJson(response, 200, viewHostDetail(host, mountUsers));
    },

    cordonHost: (request, response) => order(request, response, (name) => operations.cordon(name)),

    uncordonHost: (request, response) => order(request, response, (name) => operations.uncordon(name)),

    async drainHost(request, response) {
      nameOf(request);
      const { deadlineSeconds } = parsed(drainOrder, (await jsonBody(request, config, false)) ?? {});
      const deadlineMs = deadlineSeconds === undefined ? undefined : deadlineSeconds * 1_000;
      await order(request, response, (name) => operations.drain(name, deadlineMs));
    },

    async changeHost(request, response) {
      nameOf(request);
      const change = parsed(hostChange, await jsonBody(request, config, true));
      await order(request, response, (name) =>
        operations.change(name, change).catch((error: unknown) => {
          if (codeOf(error) !== 'too_many_labels') throw error;
          const got = `${Object.keys(change.labels ?? {}).length} labels beside those that the host has`;
          throw fieldComplaint('invalid_request', 'labels', got, 'at most 32 labels on a host');
        }),
      );
    },

    async removeHost(request, response) {
      const name = nameOf(request);
      const { force } = parsed(removeQuery, request.query, 'query ');
      const removed = await stored(operations.remove(name, force));
      if (!removed) throw hostNotFound(name);
      const { outcome, host } = removed;
      if (outcome === 'busy') throw hostBusy(name, host);
      if (outcome === 'removed') sendJson(response, 200, { ...viewHost(host), state: 'removed' });
      else sendJson(response, 202, viewHost(host));
    },

    async joinPool(request, response) {
      const { name } = parsed(joinRequest, await jsonBody(request, config, true));
      if (!config.join)
        throw new Complaint('join_impossible', 'this API is not set up to take workers: see KILN_JOIN_TOKEN');
      const { localAddress = '', remoteAddress = '' } = request.socket;
      const grant = joinGrant(config.join, { localAddress, remoteAddress });
      log.info({ host: name, remoteAddress }, 'worker joins');
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 200, grant);
    },
  };
}

/** A JSON body; undefined where there is none and none is needed. */
async function jsonBody(request: Request, config: ApiConfig, isNeeded: boolean): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const isEmpty = encoding === undefined && (length === undefined || Number(length) === 0);
  if (isEmpty && !isNeeded) return undefined;
  const type = request.get('content-type');
  if (!request.is('application/json')) {
    throw fieldComplaint('unsupported_media_type', 'header Content-Type', type ?? 'nothing', 'application/json');
  }
  admitBody(request);
  return await readJson(request, config.maxJsonBytes);
}

function hostNotFound(name: string): Complaint {
  return new Complaint('host_not_found', `there is no host ${name} in this pool`, {
    errors: [{ field: 'name', got: JSON.stringify(name), expected: 'the name of a host; GET /v1/hosts lists them' }],
  });
}

const SHOWN_BUILDS = 5;

function hostBusy(name: string, { held, alive }: HostState): Complaint {
  const ids = held.slice(0, SHOWN_BUILDS).map(({ buildId }) => buildId);
  const more = held.length > ids.length ? ` and ${held.length - ids.length} more` : '';
  const what = `${held.length === 1 ? 'build' : 'builds'} ${ids.join(', ')}${more}`;
  const advice = alive
    ? 'Drain it first, or force the removal to hand them back to the pool'
    : 'It is lost: its builds are being taken back, after which it can be removed';
  return new Complaint('host_busy', `host ${name} still holds ${what}. ${advice}`, {
    errors: [{ field: 'name', got: `a host with ${held.length} under way`, expected: 'a host that holds no build' }],
  });
}
