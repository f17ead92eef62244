import { drainOrder, hostChange, hostName, joinRequest, type OperationId, removeQuery } from '@kiln/contracts';
import { ALL_TEAMS, holds } from '@kiln/domain';
import type { HostOperations, HostState, HostStore, LearnedStore } from '@kiln/state';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { Handler } from '../access/call.ts';
import { visibleBuilds } from '../access/visible-builds.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { ApiProblem, codeOf, fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { hasBody, jsonBody } from '../http/json-body.ts';
import type { Builds } from '../ports.ts';
import { viewHostDetail } from './host-detail.ts';
import { viewLosses } from './host-losses.ts';
import { viewHost } from './host-view.ts';
import { joinGrant } from './join-grant.ts';

type HostOperation = Extract<OperationId, `${string}Host` | 'listHosts' | 'listHostLosses' | 'joinPool'>;

export interface HostHandlerDeps {
  readonly builds: Builds;
  readonly hosts: Pick<HostStore, 'list' | 'get' | 'mountUsers'>;
  readonly learned: Pick<LearnedStore, 'load'>;
  readonly now?: (() => number) | undefined;
  readonly hostOperations: Pick<HostOperations, 'cordon' | 'uncordon' | 'drain' | 'change' | 'remove'>;
  readonly log: Logger;
}

/** The routes of hosts: operators' orders, and joining. */
export function hostHandlers(
  config: ApiConfig,
  { builds, hosts, learned, hostOperations: operations, log, now = Date.now }: HostHandlerDeps,
): Record<HostOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const body = (request: Request) => jsonBody(request, config.maxJsonBytes);
  const nameOf = (request: Request) => parameter(hostName, 'name', request.params.name);
  /** Gives an order, and answers the host as it is afterwards. */
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
    async listHosts(_request, response, { principal }) {
      const views = (await stored(hosts.list())).map(viewHost);
      if (principal.team === ALL_TEAMS || holds(principal, 'hosts:operate')) {
        sendJson(response, 200, { hosts: views });
        return;
      }
      // A team sees that a slot is taken, but not by which build of another team.
      const own = visibleBuilds(builds, principal);
      const isVisible = async ({ id }: { id: string }) => (await stored(own.get(id))) !== undefined;
      const shown = views.map(async (view) => {
        const visible = await Promise.all(view.builds.map(isVisible));
        return { ...view, builds: view.builds.filter((_, i) => visible[i]) };
      });
      sendJson(response, 200, { hosts: await Promise.all(shown) });
    },

    async listHostLosses(_request, response) {
      const [states, facts] = await stored(Promise.all([hosts.list(), learned.load()]));
      sendJson(response, 200, { hosts: viewLosses(states, facts, now()) });
    },

    async readHost(request, response) {
      const name = nameOf(request);
      const [host, mountUsers] = await stored(Promise.all([hosts.get(name), hosts.mountUsers()]));
      if (!host) throw hostNotFound(name);
      sendJson(response, 200, viewHostDetail(host, mountUsers));
    },

    cordonHost: (request, response) => order(request, response, (name) => operations.cordon(name)),

    uncordonHost: (request, response) => order(request, response, (name) => operations.uncordon(name)),

    async drainHost(request, response, { note }) {
      nameOf(request);
      const { deadlineSeconds } = parsed(drainOrder, hasBody(request) ? await body(request) : {});
      if (deadlineSeconds !== undefined) note({ details: { deadlineSeconds: String(deadlineSeconds) } });
      const deadlineMs = deadlineSeconds === undefined ? undefined : deadlineSeconds * 1_000;
      await order(request, response, (name) => operations.drain(name, deadlineMs));
    },

    async changeHost(request, response, { note }) {
      nameOf(request);
      const change = parsed(hostChange, await body(request));
      note({ details: { change: JSON.stringify(change) } });
      await order(request, response, (name) =>
        operations.change(name, change).catch((error: unknown) => {
          if (codeOf(error) !== 'too_many_labels') throw error;
          const got = `${Object.keys(change.labels ?? {}).length} labels in addition to the host’s present ones`;
          throw fieldProblem('invalid_request', 'labels', got, 'at most 32 labels on a host');
        }),
      );
    },

    async removeHost(request, response, { note }) {
      const name = nameOf(request);
      const { force } = parsed(removeQuery, request.query, 'query ');
      note({ details: { force: String(force) } });
      const removed = await stored(operations.remove(name, force));
      if (!removed) throw hostNotFound(name);
      const { outcome, host } = removed;
      if (outcome === 'busy') throw hostBusy(name, host);
      if (outcome === 'removed') sendJson(response, 200, { ...viewHost(host), state: 'removed' });
      else sendJson(response, 202, viewHost(host));
    },

    async joinPool(request, response, { note }) {
      const { name } = parsed(joinRequest, await body(request));
      note({ target: name });
      if (!config.join) throw new ApiProblem('join_impossible', 'this API is not configured for joining workers');
      const { localAddress = '', remoteAddress = '' } = request.socket;
      const grant = joinGrant(config.join, { localAddress, remoteAddress });
      log.info({ host: name, remoteAddress }, 'worker joins');
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 200, grant);
    },
  };
}

function hostNotFound(name: string): ApiProblem {
  return new ApiProblem('host_not_found', `no host ${name} in this pool`, {
    errors: [{ field: 'name', got: JSON.stringify(name), expected: 'the name of a host; GET /v1/hosts lists them' }],
  });
}

const SHOWN_BUILDS = 5;

function hostBusy(name: string, { held, alive }: HostState): ApiProblem {
  const ids = held.slice(0, SHOWN_BUILDS).map(({ buildId }) => buildId);
  const more = held.length > ids.length ? ` and ${held.length - ids.length} more` : '';
  const what = `${held.length === 1 ? 'build' : 'builds'} ${ids.join(', ')}${more}`;
  const advice = alive
    ? 'Drain it first, or force the removal to hand them back to the pool'
    : 'It is lost: once its builds have been reclaimed, it can be removed';
  return new ApiProblem('host_busy', `host ${name} still has ${what}. ${advice}`, {
    errors: [{ field: 'name', got: `a host with ${held.length} builds under way`, expected: 'a host without builds' }],
  });
}
