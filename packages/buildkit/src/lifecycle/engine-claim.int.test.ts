import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineNotApart, HostBuilders } from '../index.ts';
import { begin, FROM, IMAGES, lab } from '../testing/lab.ts';
import { type PrivateEngine, startPrivateEngine } from '../testing/private-engine.ts';

let own: PrivateEngine;
beforeAll(async () => {
  own = await startPrivateEngine([IMAGES.tool, IMAGES.debian]);
});
afterAll(() => own?.[Symbol.asyncDispose]());

test('has a single builder with the docker driver, for trusted builds unless configured otherwise', async () => {
  const options = {
    ...({
      hostName: 'lab',
      instance: 'claim',
      driver: 'docker',
      toolImage: IMAGES.tool,
      buildkitImage: 'none',
    } as const),
    ...{ dockerSocket: own.socket, engineSocketPath: own.innerSocket, scratchDir: join(own.dir, 'scratch') },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };
  const host = await HostBuilders.start(options);
  expect(host.info).toMatchObject({ trust: ['trusted'], isolation: 'team', oneDomain: true });
  await host.close();
  await expect(HostBuilders.start({ ...options, trust: 'untrusted' })).rejects.toThrow(EngineNotApart);
  // Nothing was built, so that the engine can be claimed for another class.
  await own.engine.getVolume('kiln-engine-trust').remove();
}, 180_000);

test('claims the engine’s BuildKit for one class, until it is emptied and released by hand', async () => {
  let dirs = 0;
  const on = async () => {
    const scratchDir = join(own.dir, `scratch${dirs++}`);
    await mkdir(scratchDir);
    return { dockerSocket: own.socket, engineSocketPath: own.innerSocket, scratchDir };
  };
  const fresh = await lab({ ...(await on()), trust: 'untrusted' });
  const build = { dockerfile: `${FROM}\nRUN --mount=type=cache,target=/c echo x >> /c/log; cat /c/log` };
  expect(await begin(fresh.builder, build).outcome).toMatchObject({ end: 'succeeded' });
  await fresh[Symbol.asyncDispose]();

  // The first worker's files are gone: the claim is in the engine itself.
  const trusted = lab({ ...(await on()), trust: 'trusted' });
  await expect(trusted).rejects.toThrow(EngineNotApart);
  await expect(trusted).rejects.toThrow(/claimed for untrusted builds .* got trusted/);
  await using again = await lab({ ...(await on()), trust: 'untrusted' });
  expect((await begin(again.builder, build).outcome).steps).toEqual({ total: 1, cached: 1 });

  // Released, but not emptied: it is unknown whose caches these are.
  for (const mark of ['kiln-engine-trust', 'kiln-engine-domain']) await own.engine.getVolume(mark).remove();
  await expect(lab({ ...(await on()), trust: 'untrusted' })).rejects.toThrow('docker builder prune --all');
  await own.engine.pruneBuilder({ all: true } as object);
  await using emptied = await lab({ ...(await on()), trust: 'untrusted' });
  expect(await begin(emptied.builder, build).outcome).toMatchObject({ end: 'succeeded' });
}, 180_000);
