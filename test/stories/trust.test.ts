import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { KilnClient } from '@kiln/client';
import type { TaskView } from '@kiln/contracts';
import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { expect, onTestFinished, test } from 'vitest';
import { DEBIAN } from '../support/dockerfiles.ts';
import { freshBuildersOf, removeBuilders } from '../support/engine.ts';
import type { Pool } from '../support/pool/pool.ts';
import { scenario } from '../support/scenario/scenario.ts';
import type { ScenarioBuild, Story } from '../support/scenario/story.ts';

const POLL = { timeout: 60_000, interval: 100 };
/** Leaves a line in mounts that a build of another domain could name as well: one by id, which isn't part of the layer's key, one by target. */
const STEP = [
  'RUN --network=none --mount=type=cache,id=left,sharing=locked,target=/c --mount=type=cache,target=/d',
  'echo built >> /c/log; cat /c/log >> /d/log; cat /d/log',
].join(' ');

/** A client by which builds of forks are submitted: its token is the team's, but untrusted. */
async function forkClient(pool: Pool): Promise<KilnClient> {
  const token = formatToken('api', Buffer.alloc(TOKEN_BYTES, 7));
  const scopes = ['builds:read', 'builds:write', 'logs:read'] as const;
  const { tokens } = await pool.state();
  await tokens.create(token, {
    ...{ kind: 'api', name: 'fork', team: 'default', scopes, trust: 'untrusted', createdBy: 'test' },
  });
  return new KilnClient({ url: pool.client.url, token });
}

const PROGRAMS = '/bin/sh /bin/cat /bin/sleep';

/** Builds a root file system as a tar, for a BuildKit that has none of the engine's images. */
async function smallRoot(pool: Pool): Promise<Buffer> {
  const { id } = await pool.submit(
    [
      `FROM ${DEBIAN} AS full`,
      `RUN --network=none mkdir /out && cp -L --parents ${PROGRAMS} $(ldd ${PROGRAMS} | grep -o '/lib[^ ]*' | sort -u) /out`,
      'FROM scratch',
      'COPY --from=full /out /',
    ].join('\n'),
    { output: { type: 'artifact' } },
  );
  expect((await pool.end(id)).failure).toBeUndefined();
  return await buffer(Readable.from((await pool.client.artifact(id)).body));
}

async function expectReasonToWait({ pool, build }: Story): Promise<void> {
  const last = async () => (await pool.client.placement(build('app').id)).decisions.at(-1);
  await expect
    .poll(last, POLL)
    .toMatchObject({ host: null, reason: 'none_untrusted', considered: [{ verdict: 'trust_missing' }] });
}

async function instanceOf(pool: Pool): Promise<string> {
  return (await readFile(join(pool.dataDir('worker', 'apart'), 'machine-id'), 'utf8')).slice(0, 8);
}

async function removeBuildersAtEnd({ pool }: Story): Promise<void> {
  const instance = await instanceOf(pool);
  onTestFinished(() => removeBuilders(instance));
}

/** Kills the worker while a build runs on a builder of its own, and starts it again. */
async function killAndStart(pool: Pool, files: ScenarioBuild['files'] = {}): Promise<void> {
  const instance = await instanceOf(pool);
  const dockerfile = (seconds: string) =>
    `FROM scratch\nADD root.tar /\nRUN --network=none echo begun; sleep ${seconds}`;
  const { id } = await pool.hang(dockerfile, { files, cache: { mode: 'fresh' } });
  await pool.kill('worker', 'apart');
  // Its container and its volume.
  expect(await freshBuildersOf(instance)).toHaveLength(2);
  await pool.client.cancel(id);
  await pool.start('worker', 'apart');
  expect(await freshBuildersOf(instance)).toEqual([]);
  expect(await pool.end(id)).toMatchObject({ state: 'canceled', attempts: [{ host: 'apart' }] });
}

/** A fork saves what its build left, and tries to fill the caches of trusted builds with it; then it fills its own. */
async function plantBySeed(pool: Pool, fork: KilnClient): Promise<void> {
  const repos = async () =>
    (await pool.client.host('apart')).inventory?.repos.map(({ trust, warmth }) => [trust, warmth]);
  await expect.poll(repos, POLL).toEqual([['untrusted', 1]]);
  const end = async ({ id }: { id: string }) => {
    let last: TaskView | undefined;
    for await (const task of fork.watchTask(id)) last = task;
    return last;
  };
  const saved = await end(await fork.saveCaches({ repo: 'app' }));
  expect(saved).toMatchObject({ state: 'succeeded', trust: 'untrusted', result: { mounts: 2 } });
  const snapshot = String(saved?.result?.snapshot);
  const order = { repo: 'app', host: 'apart' };
  await expect(fork.seedCaches({ ...order, trust: 'trusted', snapshot })).rejects.toMatchObject(problem('forbidden'));
  await expect(pool.client.seedCaches({ ...order, snapshot })).rejects.toMatchObject(problem('snapshot_refused'));
  await expect(pool.client.seedCaches(order)).rejects.toMatchObject(problem('snapshot_not_found'));
  expect(await end(await fork.seedCaches({ ...order, snapshot }))).toMatchObject({ result: { seeded: [] } });
}

const problem = (code: string) => ({ problem: { code } });

async function expectThreeDomains({ pool }: Story): Promise<void> {
  const held = async () => {
    const { inventory } = await pool.client.host('apart');
    return {
      repos: inventory?.repos.map(({ repo, trust, team }) => `${repo} ${trust} ${team}`).sort(),
      domains: [...new Set(inventory?.mounts.map(({ domain }) => domain))].sort(),
    };
  };
  await expect.poll(held, POLL).toEqual({
    repos: ['app trusted default', 'app trusted ops', 'app untrusted default'],
    domains: ['trusted team default', 'trusted team ops', 'untrusted team default'],
  });
}

test('an untrusted build waits for a host that keeps trust classes apart, and shares nothing there with trusted builds; the next worker removes what a killed one leaves', async () => {
  let app: ScenarioBuild = { dockerfile: `FROM scratch\nADD root.tar /\n${STEP}\n` };
  let fork: ScenarioBuild = {};
  let forks: KilnClient;
  await scenario()
    .redis()
    .host('plain')
    .host('apart', { starts: 'later', env: { KILN_DRIVER: 'docker-container', KILN_ISOLATION: 'team' } })
    .step('prepare the builds', async ({ pool }) => {
      app = { ...app, files: { 'root.tar': await smallRoot(pool) } };
      forks = await forkClient(pool);
      fork = { ...app, by: forks, waitForHost: true };
    })

    .submit('app', () => fork)
    .step('expect the reason why it waits', expectReasonToWait)
    .start('worker', 'apart')
    .step('have its builders removed at the end', removeBuildersAtEnd)
    .expectEnd('app', { state: 'succeeded', trust: 'untrusted', host: 'apart' })
    .expectOutput('app', 'built\n')
    .step('plant what the fork’s build left by a seed', ({ pool }) => plantBySeed(pool, forks))

    .step('leave only the host that keeps them apart', ({ pool }) => pool.client.cordonHost('plain'))
    .submit('app#2', () => app)
    .expectEnd('app#2', { state: 'succeeded', trust: 'trusted', host: 'apart' })
    .expectOutput('app#2', 'built\n')
    .submit('app#3', () => fork)
    .expectEnd('app#3', { steps: { total: 2, cached: 2 } })

    // A build of another team and the same repo finds nothing of it, either.
    .submit('app#4', () => ({ ...app, team: 'ops' }))
    .expectEnd('app#4', { state: 'succeeded', trust: 'trusted', host: 'apart' })
    .expectOutput('app#4', 'built\n')
    .step('expect the caches of three domains', expectThreeDomains)
    .step('expect nothing of a builder whose worker was killed', ({ pool }) => killAndStart(pool, app.files))
    .run();
}, 300_000);
