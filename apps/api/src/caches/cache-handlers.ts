import { cacheQuery, cleanRequest, type DropTask, dropRequest, type OperationId } from '@kiln/contracts';
import { cacheKey, holds, type Principal, readCacheKey, seesTeam, teamFor } from '@kiln/domain';
import type { OutgoingGuard } from '@kiln/runtime';
import type { HostState, HostStore, HostTasks, SavingStore } from '@kiln/state';
import type { z } from 'zod';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { ApiProblem, codeOf, fieldProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { viewTask } from '../tasks/task-view.ts';
import { cacheRows } from './cache-rows.ts';
import { type CleanDeps, cleanRegistries } from './registry/clean-registries.ts';

type CacheOperation = Extract<OperationId, 'listCaches' | 'dropCaches' | 'cleanRegistries'>;

export interface CacheHandlerDeps {
  readonly hosts: Pick<HostStore, 'list' | 'mountUsers'>;
  readonly savings: Pick<SavingStore, 'of'>;
  readonly tasks: Pick<HostTasks, 'create'>;
  readonly cacheReferences: CleanDeps['references'];
  readonly buildSecrets: CleanDeps['secrets'];
  readonly outgoing: Pick<OutgoingGuard, 'fetch'>;
  readonly now: () => number;
}

/** How long one call deletes references, ms. The rest is left for the next one. */
const CLEAN_TIMEOUT_MS = 60_000;

/** The routes of caches. Operators see and drop all of them, others those of their own team's repos. */
export function cacheHandlers(
  config: ApiConfig,
  { hosts, savings, tasks, now, ...deps }: CacheHandlerDeps,
): Record<CacheOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  return {
    async listCaches(request, response, { principal }) {
      const { repo, host, kind, limit } = parsed(cacheQuery, request.query, 'query ');
      const [pool, mountUsers] = await stored(Promise.all([hosts.list(), hosts.mountUsers()]));
      const isOperator = holds(principal, 'hosts:operate');
      const isWanted = (key: string) => repo === undefined || readCacheKey(key).repo === repo;
      const seesRepo = (key: string) => isWanted(key) && (isOperator || seesTeam(principal, readCacheKey(key).team));
      const seesAll = isOperator && repo === undefined;
      const rows = await Promise.all(
        pool
          .filter(({ report }) => host === undefined || report.name === host)
          .map(async (one) => {
            const own = await stored(savings.of(one.report.name));
            return cacheRows(one, { mountUsers, savings: own, seesRepo, seesAll });
          }),
      );
      const all = rows.flat().filter((row) => kind === undefined || row.kind === kind);
      all.sort((a, b) => b.bytes - a.bytes || (a.host < b.host ? -1 : 1));
      sendJson(response, 200, { caches: all.slice(0, limit), omitted: Math.max(0, all.length - limit) });
    },

    async dropCaches(request, response, { principal, note }) {
      const asked = parsed(dropRequest, await jsonBody(request, config.maxJsonBytes));
      const order = orderOf(asked, principal);
      note({
        target: asked.repo ?? asked.hosts?.join(', ') ?? 'all hosts',
        details: { order: JSON.stringify(order) },
      });
      const [pool, mountUsers] = await stored(Promise.all([hosts.list(), hosts.mountUsers()]));
      requireKnown(order, pool, mountUsers);
      const created = [];
      for (const host of chosenHosts(asked.hosts, pool)) {
        const { name } = host.report;
        const task = await stored(tasks.create(name, order, principal.name).catch(tooMany));
        // The host was removed meanwhile, and its caches with it.
        if (task) created.push(viewTask(task, host));
      }
      sendJson(response, 202, { tasks: created });
    },

    async cleanRegistries(request, response, { principal, note }) {
      const asked = parsed(cleanRequest, await jsonBody(request, config.maxJsonBytes));
      const isOperator = holds(principal, 'hosts:operate');
      const team = isOperator ? asked.team : teamFor(principal, asked.team);
      if (!isOperator && team === undefined) throw otherTeam(principal, asked.team);
      note({ target: team ?? 'all teams', details: { order: JSON.stringify(asked) } });
      const { unusedForSeconds } = asked;
      const unusedForMs = unusedForSeconds === undefined ? config.cacheReferenceMs : unusedForSeconds * 1_000;
      const cleaned = await cleanRegistries(
        { references: deps.cacheReferences, secrets: deps.buildSecrets, fetch: deps.outgoing.fetch },
        { unusedSince: now() - unusedForMs, now: now(), team, dryRun: asked.dryRun ?? false, refusedForMs: 0 },
        AbortSignal.timeout(CLEAN_TIMEOUT_MS),
      );
      sendJson(response, 200, cleaned);
    },
  };
}

/** @throws ApiProblem `forbidden` if it concerns another team */
function orderOf(asked: z.output<typeof dropRequest>, principal: Principal): DropTask {
  const { repo, team: named, trust, mounts, kinds, unusedForSeconds, shared, dryRun } = asked;
  const isOperator = holds(principal, 'hosts:operate');
  const own = isOperator ? (named ?? teamFor(principal, undefined)) : teamFor(principal, named);
  if (own === undefined) throw otherTeam(principal, named);
  // An operator may also drop what several teams share.
  const team = isOperator && (named === undefined || repo !== undefined) ? undefined : own;
  return {
    type: 'drop',
    ...(repo !== undefined && { repo: cacheKey({ repo, team: own, trust }) }),
    ...(team !== undefined && { team }),
    ...(mounts && { mounts }),
    ...(kinds && { kinds }),
    ...(unusedForSeconds !== undefined && { unusedForMs: unusedForSeconds * 1_000 }),
    ...(shared && { shared }),
    ...(dryRun && { dryRun }),
  };
}

function otherTeam({ team, name }: Principal, got: string | undefined): ApiProblem {
  return fieldProblem('forbidden', 'team', JSON.stringify(got), `${team}, the team of ${name}`);
}

/** @throws ApiProblem `cache_not_found` if the order names a repo of which no caches are known anywhere */
function requireKnown(
  { repo }: DropTask,
  pool: readonly HostState[],
  mountUsers: ReadonlyMap<string, readonly string[]>,
): void {
  if (repo === undefined || pool.some(({ caches }) => caches.has(repo))) return;
  if ([...mountUsers.values()].some((users) => users.includes(repo))) return;
  const { repo: name, team, trust } = readCacheKey(repo);
  throw fieldProblem('cache_not_found', 'repo', name, `a repo whose ${trust} builds of team ${team} have caches`);
}

/** @throws ApiProblem `host_not_found` */
function chosenHosts(names: readonly string[] | undefined, pool: readonly HostState[]): readonly HostState[] {
  if (!names) return pool;
  return [...new Set(names)].map((name) => {
    const host = pool.find(({ report }) => report.name === name);
    if (!host) throw fieldProblem('host_not_found', 'hosts', name, 'names of hosts; GET /v1/hosts lists them');
    return host;
  });
}

function tooMany(error: unknown): never {
  if (codeOf(error) === 'too_many_tasks') throw new ApiProblem('too_many_tasks', (error as Error).message);
  throw error;
}
