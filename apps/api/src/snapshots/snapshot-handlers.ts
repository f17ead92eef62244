import { readManifest, type SnapshotBook, SnapshotInvalid, storedTrees, type TreeStore } from '@kiln/blobs';
import {
  hostName,
  newSnapshot,
  type OperationId,
  type SnapshotView,
  saveRequest,
  seedRequest,
  snapshotId,
  snapshotQuery,
} from '@kiln/contracts';
import { ALL_TEAMS, cacheKey, domainOfKey, mayFill, type Principal, type Trust } from '@kiln/domain';
import type { HostState, HostStore, HostTasks, MeteredBlobs } from '@kiln/state';
import { type Digest, TreePartMissing } from '@kiln/trees';
import type { Request, Response } from 'express';
import { askedTeam } from '../access/asked-team.ts';
import type { Call, Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { viewTask } from '../tasks/task-view.ts';

type SnapshotOperation = Extract<OperationId, `${string}Snapshot` | 'listSnapshots' | 'saveCaches' | 'seedCaches'>;

export interface SnapshotHandlerDeps {
  readonly blobs: MeteredBlobs;
  readonly snapshots: SnapshotBook;
  readonly trees: Pick<TreeStore, 'tree'>;
  readonly hosts: Pick<HostStore, 'list' | 'get'>;
  readonly tasks: Pick<HostTasks, 'create' | 'newId'>;
  readonly now: () => number;
}

interface Owner {
  readonly repo: string;
  readonly team: string;
  readonly trust: Trust;
}

/** A request for a task about a snapshot, once it is checked. */
interface SnapshotOrder {
  readonly host: HostState;
  readonly owner: Owner;
  readonly response: Response;
  readonly call: Call;
}

/** The routes of snapshots of caches. A team sees and uses only its own. */
export function snapshotHandlers(
  config: ApiConfig,
  { blobs, snapshots, trees, hosts, tasks, now }: SnapshotHandlerDeps,
): Record<SnapshotOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const body = (request: Request) => jsonBody(request, config.maxJsonBytes);

  const find = async (id: string, principal: Principal): Promise<SnapshotView> => {
    const team = principal.team === ALL_TEAMS ? undefined : principal.team;
    const found = await stored(snapshots.find(id, team));
    if (found) return found;
    throw fieldProblem('snapshot_not_found', 'id', id, 'the id of a snapshot; GET /v1/snapshots lists them');
  };
  const idOf = (request: Request) => parameter(snapshotId, 'id', request.params.id);
  /** Orders that a host saves the repo's caches as a snapshot, or fills them from one, and answers the task. */
  const order = async (
    type: 'save' | 'seed',
    snapshot: string,
    { host, owner, response, call: { principal, note } }: SnapshotOrder,
  ) => {
    const { name, isolation = 'pool' } = host.report;
    const repo = cacheKey(owner);
    note({ target: snapshot, details: { repo: owner.repo, host: name } });
    const what = { type, repo, domain: domainOfKey(repo, isolation), snapshot };
    const task = await stored(tasks.create(name, what, principal.name));
    if (!task) throw hostNotFound(name);
    sendJson(response, 202, viewTask(task, host));
  };
  const hostOf = async (name: string) => {
    const host = await stored(hosts.get(parameter(hostName, 'host', name)));
    if (!host) throw hostNotFound(name);
    return host;
  };

  return {
    async listSnapshots(request, response, { principal }) {
      const { repo, team } = parsed(snapshotQuery, request.query, 'query ');
      const own = principal.team === ALL_TEAMS ? team : askedTeam(principal, team);
      const all = await stored(snapshots.list(own));
      sendJson(response, 200, { snapshots: all.filter((one) => repo === undefined || one.repo === repo) });
    },

    async getSnapshot(request, response, { principal }) {
      sendJson(response, 200, await find(idOf(request), principal));
    },

    async removeSnapshot(request, response, { principal, note }) {
      const { id, team } = await find(idOf(request), principal);
      note({ target: id });
      await stored(snapshots.delete(id, team));
      response.status(204).end();
    },

    async addSnapshot(request, response, { principal, note }) {
      const asked = parsed(newSnapshot, await body(request));
      const isWorker = principal.kind === 'worker';
      const owner = isWorker
        ? { repo: asked.repo, team: askedTeam(principal, asked.team), trust: asked.trust ?? 'untrusted' }
        : ownerOf(principal, asked);
      const { team } = owner;
      const root = asked.root as Digest;
      const id = asked.id ?? tasks.newId();
      note({ target: id });
      if (!(await stored(trees.tree(team, root))))
        throw fieldProblem('snapshot_invalid', 'root', root, 'the digest of a tree that is stored; upload it again');
      const manifest = await readManifest(storedTrees(blobs, team), root).catch((error: unknown) => {
        if (error instanceof SnapshotInvalid) throw fieldProblem('snapshot_invalid', 'root', error.got, error.expected);
        if (error instanceof TreePartMissing)
          throw fieldProblem('snapshot_invalid', 'root', error.message, 'a complete tree');
        throw error;
      });
      const storedBytes = manifest.mounts
        .flatMap(({ chunks }) => chunks)
        .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const known = await stored(snapshots.find(id, team));
      const record =
        known ??
        (await snapshots.add({
          ...{ id, ...owner, root, storedBytes },
          createdAt: new Date(now()).toISOString(),
          // A worker may have a token of a user for all teams.
          ...((isWorker || principal.team === ALL_TEAMS) && asked.host !== undefined
            ? { host: asked.host }
            : { createdBy: principal.name }),
          mounts: manifest.mounts.map(({ id: mount, kind, sizeBytes, entries, changed }) => {
            return { id: mount, kind, sizeBytes, entries, changed };
          }),
        }));
      sendJson(response, 201, record);
    },

    async saveCaches(request, response, call) {
      const asked = parsed(saveRequest, await body(request));
      const owner = ownerOf(call.principal, asked);
      const repo = cacheKey(owner);
      const host = asked.host === undefined ? warmest(await stored(hosts.list()), repo) : await hostOf(asked.host);
      if (!host?.caches.has(repo))
        throw fieldProblem(
          'cache_not_found',
          'repo',
          owner.repo,
          `a repo of which ${asked.host === undefined ? 'a host' : asked.host} has caches; kiln host show NAME lists them`,
        );
      await order('save', tasks.newId(), { host, owner, response, call });
    },

    async seedCaches(request, response, call) {
      const asked = parsed(seedRequest, await body(request));
      const owner = ownerOf(call.principal, asked);
      const host = await hostOf(asked.host);
      const snapshot = asked.snapshot === undefined ? await newest(owner) : await find(asked.snapshot, call.principal);
      if (!mayFill(snapshot, owner))
        throw fieldProblem(
          'snapshot_refused',
          'snapshot',
          `a snapshot of ${snapshot.trust} builds of team ${snapshot.team}`,
          `one of trusted builds of team ${owner.team}, or for ${owner.trust} builds one of the same`,
        );
      if (host.report.trust && !host.report.trust.includes(owner.trust))
        throw fieldProblem(
          'snapshot_refused',
          'host',
          `${asked.host}, which runs no ${owner.trust} builds`,
          `a host that runs ${owner.trust} builds`,
        );
      await order('seed', snapshot.id, { host, owner, response, call });
    },
  };

  async function newest(owner: Owner): Promise<SnapshotView> {
    const all = await stored(snapshots.list(owner.team));
    const found = all.find((one) => one.repo === owner.repo && mayFill(one, owner));
    if (found) return found;
    throw fieldProblem(
      'snapshot_not_found',
      'repo',
      owner.repo,
      'a repo that has a snapshot; kiln snapshot create makes one',
    );
  }
}

/** Whose caches a request concerns. @throws ApiProblem `forbidden` */
function ownerOf(
  principal: Principal,
  { repo, team, trust }: { repo: string; team?: string | undefined; trust?: Trust | undefined },
): Owner {
  if (principal.trust === 'untrusted' && trust === 'trusted')
    throw fieldProblem('forbidden', 'trust', 'trusted', `untrusted, the trust class of ${principal.name}`);
  return { repo, team: askedTeam(principal, team), trust: trust ?? principal.trust };
}

function warmest(hosts: readonly HostState[], repo: string): HostState | undefined {
  const warmth = (host: HostState) => host.caches.get(repo)?.warmth ?? 0;
  return hosts.filter((host) => host.alive && host.caches.has(repo)).sort((a, b) => warmth(b) - warmth(a))[0];
}

function hostNotFound(name: string) {
  return fieldProblem('host_not_found', 'host', name, 'the name of a host; GET /v1/hosts lists them');
}
