import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { begin, FROM, IMAGES, lab, processesWith, uniqueSeconds, until } from '../testing/lab.ts';
import { startPrivateEngine } from '../testing/private-engine.ts';

test('loses running builds when the engine crashes, and continues with warm caches after its restart', async () => {
  await using own = await startPrivateEngine([IMAGES.tool, IMAGES.debian]);
  const scratchDir = join(own.dir, 'scratch');
  await mkdir(scratchDir);
  await using on = await lab({ dockerSocket: own.socket, engineSocketPath: own.innerSocket, scratchDir });
  const warm = { dockerfile: `${FROM}\nRUN --mount=type=cache,target=/c echo x >> /c/log` };
  expect(await begin(on.builder, warm).outcome).toMatchObject({ end: 'succeeded' });

  const seconds = uniqueSeconds();
  const build = begin(on.builder, { dockerfile: `${FROM}\nRUN sleep ${seconds}` });
  await until(async () => (await processesWith(seconds)).length > 0);
  await own.restart();
  expect((await build.outcome).failure).toMatchObject({ code: 'infrastructure' });
  expect(await processesWith(seconds)).toEqual([]);

  expect(await begin(on.builder, warm).outcome).toMatchObject({ end: 'succeeded', steps: { total: 1, cached: 1 } });
  const mount = begin(on.builder, { dockerfile: `${FROM}\nRUN --mount=type=cache,target=/c cat /c/log` });
  expect(await mount.outcome).toMatchObject({ end: 'succeeded' });
  expect(mount.output()).toBe('x\n');
}, 180_000);
