import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { KilnClient } from '@kiln/client';
import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/conditions.ts';
import { contextOf } from '../support/context.ts';
import { DEBIAN } from '../support/dockerfiles.ts';
import { removeBuilders } from '../support/engine.ts';
import { outputOf } from '../support/logs.ts';
import { type Pool, startPool } from '../support/pool.ts';

/** As a fork's build is submitted: by a credential of the team's that is untrusted. */
async function stranger(pool: Pool): Promise<KilnClient> {
  const token = formatToken('api', Buffer.alloc(TOKEN_BYTES, 7));
  const scopes = ['builds:read', 'builds:write', 'logs:read'] as const;
  const { tokens } = await pool.state();
  await tokens.create(token, {
    kind: 'api',
    name: 'fork',
    team: 'default',
    scopes,
    trust: 'untrusted',
    createdBy: 'test',
  });
  return new KilnClient({ url: pool.client.url, token });
}

/** A root file system as a tar, for a BuildKit that has none of the engine's images. */
async function smallRoot(pool: Pool): Promise<Buffer> {
  const { id } = await pool.submit(
    [
      `FROM ${DEBIAN} AS full`,
      `RUN mkdir /out && cp -L --parents /bin/sh /bin/cat $(ldd /bin/sh /bin/cat | grep -o '/lib[^ ]*' | sort -u) /out`,
      'FROM scratch',
      'COPY --from=full /out /',
    ].join('\n'),
    { output: { type: 'artifact' } },
  );
  expect((await pool.end(id)).failure).toBeUndefined();
  return await buffer(Readable.from((await pool.client.artifact(id)).body));
}

test('an untrusted build waits for a host that keeps its class apart, and shares nothing there with trusted builds of its repo', async () => {
  const worker: NodeJS.ProcessEnv = {};
  await using pool = await startPool({ workers: ['plain'], env: { worker } });
  const fork = await stranger(pool);
  const step = 'RUN --mount=type=cache,id=left,sharing=locked,target=/c echo built >> /c/log; cat /c/log';
  const Dockerfile = `FROM scratch\nADD root.tar /\n${step}\n`;
  const context = await contextOf({ Dockerfile, 'root.tar': await smallRoot(pool) });
  const submit = (client: KilnClient) => client.submit({ source: { type: 'upload', name: 'app' } }, { context });

  const { id } = await submit(fork);
  const waits = await until('it is told why it waits', async () => {
    const { decisions } = await pool.client.placement(id);
    return decisions.at(-1);
  });
  expect(waits).toMatchObject({ host: null, reason: 'none_untrusted', considered: [{ verdict: 'trust_missing' }] });

  worker.KILN_DRIVER = 'docker-container';
  worker.KILN_ISOLATION = 'team';
  await pool.start('worker', 'apart');
  const machine = await readFile(join(pool.dataDir('worker', 'apart'), 'machine-id'), 'utf8');
  onTestFinished(() => removeBuilders(machine.slice(0, 8)));
  const built = await pool.end(id);
  expect(built).toMatchObject({ state: 'succeeded', trust: 'untrusted', host: 'apart' });
  expect(outputOf(await pool.log(id))).toBe('built\n');

  await pool.client.cordonHost('plain');
  const trusted = await submit(pool.client);
  expect(await pool.end(trusted.id)).toMatchObject({ state: 'succeeded', trust: 'trusted', host: 'apart' });
  expect(outputOf(await pool.log(trusted.id))).toBe('built\n');
  const again = await submit(fork);
  expect((await pool.end(again.id)).steps).toEqual({ total: 2, cached: 2 });

  // Another team’s build of the same repo finds nothing of that, either.
  const other = await pool.client.submit({ source: { type: 'upload', name: 'app' }, team: 'ops' }, { context });
  expect(await pool.end(other.id)).toMatchObject({ state: 'succeeded', trust: 'trusted', host: 'apart' });
  expect(outputOf(await pool.log(other.id))).toBe('built\n');

  const held = await until('the caches of all are known', async () => {
    const { inventory } = await pool.client.host('apart');
    return inventory?.mounts.length === 3 && inventory.repos.length === 3 && inventory;
  });
  expect(held.repos.map(({ repo, trust, team }) => [repo, trust, team]).sort()).toEqual([
    ['app', 'trusted', 'default'],
    ['app', 'trusted', 'ops'],
    ['app', 'untrusted', 'default'],
  ]);
  expect(held.mounts.map(({ domain }) => domain).sort()).toEqual([
    'trusted team default',
    'trusted team ops',
    'untrusted team default',
  ]);
}, 180_000);
