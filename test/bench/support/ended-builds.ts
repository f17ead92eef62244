import { randomBytes } from 'node:crypto';
import { buildRequest, logKey } from '@kiln/contracts';
import type { PlacementDecision } from '@kiln/domain';
import { Leadership, pendingBuild, type State } from '@kiln/state';

const LEASE_MS = 3_600_000;
const HOST = { name: 'builder-0', incarnation: '5e0f6a0e-7e55-4a53-9d1e-6f6c1a5f9c11', slots: 1_000_000 };
const TEAMS = 8;
const REPOS = 50;
const CONSIDERED = 8;
const AT_ONCE = 16;

/** Takes `count` builds through their whole life, as in a pool of several teams. Returns their ids. */
export async function endedBuilds(state: State, count: number): Promise<string[]> {
  const token = await new Leadership(state.redis, state.keys, 'bench', LEASE_MS).hold();
  if (token === undefined) throw new Error('another process is the leader');
  await state.hosts.sync(
    {
      ...{ name: HOST.name, slots: HOST.slots, platforms: [], labels: {}, driver: 'docker' },
      ...{ engineVersion: '1', buildxVersion: '1', accepting: true },
    },
    { machine: 'm1', incarnation: HOST.incarnation },
    LEASE_MS,
  );
  const ids: string[] = [];
  let next = 0;
  const one = async () => {
    while (next < count) ids.push(await endedBuild(state, token, next++));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return ids;
}

async function endedBuild(state: State, token: string, index: number): Promise<string> {
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  const commit = hex(20);
  const app = `team/app${index % REPOS}`;
  const tag = `registry.example.org/${app}:${commit.slice(0, 12)}`;
  const request = buildRequest.parse({
    source: { type: 'git', url: `https://git.example.org/${app}.git`, ref: 'refs/heads/main' },
    team: `team${index % TEAMS}`,
    tags: [tag],
    output: { type: 'push' },
    buildArgs: { GIT_COMMIT: commit },
    labels: { 'org.opencontainers.image.revision': commit },
  });
  const { build } = await state.builds.accept({
    repo: `git.example.org/${app}`,
    spec: { ...request, secrets: [] },
    secrets: {},
    submitter: 'ci',
    idempotency: { space: 'request', key: hex(8), fingerprint: hex(32) },
  });
  const { id } = build.record;
  const { outcome } = await state.pending.assign(pendingBuild(build), HOST, decision(id), token);
  if (outcome !== 'assigned') throw new Error(`build ${id} was not assigned: ${outcome}`);
  const ref = { buildId: id, attempt: 1, host: HOST.name, incarnation: HOST.incarnation };
  await state.attempts.start(ref);
  await state.attempts.pin(ref, commit);
  await state.attempts.settle(ref, {
    end: 'succeeded',
    steps: { total: 12, cached: 9 },
    result: { digest: `sha256:${hex(32)}`, configDigest: `sha256:${hex(32)}`, pushed: [tag] },
  });
  // Its log is in the blob store, and is charged to its team.
  await state.logs.markArchived(id, 1);
  await state.redis.del(state.keys.log(id, 1));
  await state.storage.charge(logKey(id, 1), 4_096, [{ team: request.team }]);
  return id;
}

function decision(build: string): PlacementDecision {
  const decidedAt = Date.now();
  const considered = Array.from({ length: CONSIDERED }, (_, host) => {
    const runMs = 40_000 + Math.random() * 20_000;
    return {
      ...{ host: `builder-${host}`, slots: 4, usedSlots: host % 4, warmth: Math.random() },
      verdict: host === 0 ? ('chosen' as const) : ('costs_others' as const),
      predicted: { startAt: decidedAt, finishAt: decidedAt + runMs, runMs, warmth: Math.random() },
      extras: { slots: Math.round(Math.random() * 10_000), caches: Math.round(Math.random() * 1_000) },
    };
  });
  return { build, host: HOST.name, reason: 'warm', decidedAt, considered };
}
