import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, removeImages, until } from '../testing/lab.ts';
import { startRegistry, type TestRegistry } from '../testing/registry.ts';

let shared: Lab;
let registry: TestRegistry;
const pushed: string[] = [];
beforeAll(async () => {
  registry = await startRegistry();
  shared = await lab();
});
afterAll(async () => {
  await removeImages(pushed);
  await shared[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

/** A small image, so that there is little to push. */
const small = (text: string) => `${FROM} AS build\nRUN echo ${text} > /f\nFROM scratch\nCOPY --from=build /f /f`;

test('pushes every tag, and reports the tags and the digest', async () => {
  const tags = [`${registry.host}/team/app:1`, `${registry.host}/team/app:latest`];
  pushed.push(...tags);
  const { outcome } = begin(shared.builder, { dockerfile: small('pushed'), spec: { output: { type: 'push' }, tags } });
  expect(await outcome).toMatchObject({
    end: 'succeeded',
    result: { pushed: tags, digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
  });
  expect([...registry.tags]).toEqual(expect.arrayContaining(['team/app:1', 'team/app:latest']));
});

test('gives RUN steps the hosts and limits of the request, and the image its annotations', async () => {
  const tag = `${registry.host}/team/options:1`;
  pushed.push(tag);
  const run = 'cat /etc/hosts; df -k /dev/shm | tail -1; echo limits $(ulimit -n) $(ulimit -Hn)';
  const build = begin(shared.builder, {
    dockerfile: `${FROM} AS build\nRUN ${run}; echo options > /f\nFROM scratch\nCOPY --from=build /f /f`,
    spec: {
      ...{ output: { type: 'push' }, tags: [tag], annotations: ['org.example.k=v w'], noCacheFilter: ['build'] },
      extraHosts: [
        { host: 'db', ip: '10.1.2.3' },
        { host: 'six', ip: 'fe80::1' },
      ],
      resources: { shmSizeBytes: 128 * 1024 * 1024, ulimits: [{ name: 'nofile', soft: 100, hard: 200 }] },
    },
  });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  expect(build.output()).toMatch(/^10\.1\.2\.3\s+db$/m);
  expect(build.output()).toMatch(/^fe80::1\s+six$/m);
  expect(build.output()).toMatch(/ 131072 .* \/dev\/shm$/m);
  expect(build.output()).toContain('limits 100 200');
  const read = async (reference: string) =>
    (await fetch(`http://${registry.host}/v2/team/options/manifests/${reference}`)).json() as Promise<{
      annotations?: object;
      manifests?: { digest: string }[];
    }>;
  const pushedNow = await read('1');
  const manifest = pushedNow.manifests?.[0] ? await read(pushedNow.manifests[0].digest) : pushedNow;
  expect(manifest.annotations).toMatchObject({ 'org.example.k': 'v w' });
});

test('reports the tags that a canceled build had already pushed', async () => {
  const tags = [`${registry.host}/half/app:done`, `${registry.host}/half/app:stuck`];
  pushed.push(...tags);
  registry.hold('stuck');
  const build = begin(shared.builder, { dockerfile: small('half'), spec: { output: { type: 'push' }, tags } });
  await until(() => registry.held.length > 0);
  build.stop('cancel');
  expect(await build.outcome).toMatchObject({ end: 'canceled', result: { pushed: [tags[0]] } });
  expect([...registry.tags]).not.toContain('half/app:stuck');
});

test('fails a build with the registry’s answer if it refuses the push', async () => {
  const tag = `${registry.host}/closed/app:1`;
  pushed.push(tag);
  registry.refuse('closed/app');
  const build = { dockerfile: small('refused'), spec: { output: { type: 'push' }, tags: [tag] } };
  const { end, failure, result } = await begin(shared.builder, build).outcome;
  expect({ end, code: failure?.code, pushed: result?.pushed ?? [] }).toEqual({
    end: 'failed',
    code: 'push_refused',
    pushed: [],
  });
  expect(failure?.message).toMatch(/403 Forbidden/);
  expect([...registry.tags]).not.toContain('closed/app:1');
});

test('loads the image into the engine', async () => {
  const tags = [`kiln-lab/${shared.options.instance}:1`];
  pushed.push(...tags);
  const { outcome } = begin(shared.builder, { dockerfile: small('loaded'), spec: { output: { type: 'load' }, tags } });
  expect(await outcome).toMatchObject({ end: 'succeeded', result: { loaded: tags } });
  // By its tag, which only the engine knows.
  expect(await begin(shared.builder, { dockerfile: `FROM ${tags[0]}` }).outcome).toMatchObject({ end: 'succeeded' });
});
