import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import type { LogRecord } from '@kiln/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { faultyRegistry } from '../testing/faulty-registry.ts';
import { begin, FROM, type Lab, lab, removeImages, runAs, until } from '../testing/lab.ts';
import { startPrivateRegistry } from '../testing/private-registry.ts';
import { startRegistry, type TestRegistry } from '../testing/registry.ts';
import { tar } from '../testing/tar.ts';

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
    network: true,
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

/** What a build said about its pushes. */
const pushNotes = (records: readonly LogRecord[]) =>
  records.filter((record) => record.type === 'note' && record.message.includes('pushing again'));

test('fails a build at once with the registry’s answer if it refuses a push, and says which tags were pushed', async () => {
  const [open, closed] = [`${registry.host}/open/app:1`, `${registry.host}/closed/app:1`];
  pushed.push(open, closed);
  registry.refuse('closed/app');
  const spec = { output: { type: 'push' }, tags: [open, closed] };
  const build = begin(shared.builder, { dockerfile: small('refused'), spec });
  expect(await build.outcome).toMatchObject({
    end: 'failed',
    failure: {
      code: 'push_refused',
      message: expect.stringMatching(
        /403 Forbidden\n(?:.*\n)*pushed: \S+\/open\/app:1; not pushed: \S+\/closed\/app:1$/,
      ),
    },
    result: { pushed: [open], notPushed: [closed] },
  });
  expect(pushNotes(build.records)).toEqual([]);
  expect([...registry.tags]).not.toContain('closed/app:1');
});

test('repeats a push that fails for a busy registry, without building again, where buildx fails', async () => {
  await using behind = await startPrivateRegistry();
  await using busy = await faultyRegistry('127.0.0.1', behind.host);
  const tags = [`${busy.host}/busy/app:1`, `${busy.host}/busy/app:2`];
  pushed.push(...tags, `${busy.host}/busy/app:plain`);
  const dockerfile = `${FROM} AS build\nRUN tee /f < /proc/sys/kernel/random/uuid\nFROM scratch\nCOPY --from=build /f /f`;
  const auth = Buffer.from(`${behind.username}:${behind.password}`).toString('base64');
  let isBusy = true;
  busy.fault = ({ method }) => (isBusy && method === 'POST' ? { status: 429 } : undefined);
  const plain = await runAs(
    shared,
    '0:0',
    `export DOCKER_CONFIG=$(mktemp -d)
    echo '{"auths":{"${busy.host}":{"auth":"${auth}"}}}' > $DOCKER_CONFIG/config.json
    printf '${dockerfile.replaceAll('\n', '\\n')}' | docker-buildx build --builder default --push -t ${tags[0]} - && echo pushed`,
  );
  expect(plain.stdout).not.toContain('pushed');
  expect(plain.stderr).toMatch(/ERROR: failed to solve: failed to push .*429 Too Many Requests/);

  const build = begin(shared.builder, {
    dockerfile,
    spec: { output: { type: 'push' }, tags, noCache: true },
    registryLogins: [{ host: busy.host, username: behind.username, password: behind.password }],
    sink() {
      isBusy = pushNotes(build.records).length < 2;
    },
  });
  expect(await build.outcome).toMatchObject({
    end: 'succeeded',
    steps: { total: 2, cached: 0 },
    result: {
      pushed: tags,
      digest: expect.stringMatching(/^sha256:/),
      manifest: { mediaType: expect.stringContaining('index') },
    },
  });
  expect(pushNotes(build.records)).toHaveLength(2);
  const uuids = build.output().match(/^[0-9a-f-]{36}$/gm);
  expect(uuids).toHaveLength(1);
  const read = async (what: string) =>
    await fetch(`http://${behind.host}/v2/busy/app/${what}`, {
      headers: {
        authorization: `Basic ${auth}`,
        accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json',
      },
    });
  const { result } = await build.outcome;
  const index = (await (await read('manifests/2')).json()) as { manifests: { digest: string }[] };
  const manifest = (await (await read(`manifests/${index.manifests[0]?.digest}`)).json()) as {
    config: { size: number };
    layers: { digest: string; size: number }[];
  };
  const sizes = [manifest.config, ...manifest.layers].map(({ size }) => size);
  expect(result?.imageBytes).toBe(sizes.reduce((sum, size) => sum + size));
  const layer = Buffer.from(await (await read(`blobs/${manifest.layers[0]?.digest}`)).arrayBuffer());
  expect(gunzipSync(layer).toString()).toContain(uuids?.[0]);
});

test('repeats the pushes of linked targets for a busy registry, without building again', async () => {
  await using behind = await startPrivateRegistry({ isOpen: true });
  await using busy = await faultyRegistry('127.0.0.1', behind.host);
  const [ofApp, ofBase] = [`${busy.host}/linked/app:1`, `${busy.host}/linked/base:1`];
  pushed.push(ofApp, ofBase);
  let isBusy = true;
  busy.fault = ({ method }) => (isBusy && method === 'POST' ? { status: 429 } : undefined);
  const base = {
    source: { type: 'upload', name: 'base', digest: `sha256:${'0'.repeat(64)}` },
    ...{ tags: [ofBase], output: { type: 'push' }, noCache: true },
  };
  const random = `${FROM} AS made\nRUN --network=none tee /f < /proc/sys/kernel/random/uuid\nFROM scratch\nCOPY --from=made /f /f`;
  const build = begin(shared.builder, {
    dockerfile: 'FROM base\nCOPY --from=base /f /g',
    // A bake file has no network for its steps.
    network: true,
    spec: {
      ...{ tags: [ofApp], output: { type: 'push' }, noCache: true },
      buildContexts: { base: { type: 'target', name: 'base' } },
      bake: { name: 'app', targets: { base } },
    },
    targets: new Map([
      [
        'base',
        { source: { type: 'tar', open: async () => Readable.from([tar({ Dockerfile: random })]) }, contexts: [] },
      ],
    ]),
    sink() {
      isBusy = pushNotes(build.records).length < 1;
    },
  });
  const digest = expect.stringMatching(/^sha256:/);
  expect(await build.outcome).toMatchObject({
    end: 'succeeded',
    steps: { cached: 0 },
    result: {
      pushed: [ofApp, ofBase],
      targets: { app: { digest, pushed: [ofApp] }, base: { digest, pushed: [ofBase] } },
    },
  });
  expect(pushNotes(build.records)).toHaveLength(1);
  expect(await behind.tags('linked/app')).toEqual(['1']);
  expect(await behind.tags('linked/base')).toEqual(['1']);
});

test('cancels a build that waits to push again', async () => {
  await using behind = await startPrivateRegistry({ isOpen: true });
  await using busy = await faultyRegistry('127.0.0.1', behind.host);
  const tags = [`${busy.host}/busy/app:1`];
  pushed.push(...tags);
  busy.fault = ({ method }) => (method === 'POST' ? { status: 429 } : undefined);
  const build = begin(shared.builder, {
    dockerfile: small('waiting'),
    spec: { output: { type: 'push' }, tags },
    sink: (record) => void (pushNotes([record]).length > 0 && build.stop('cancel')),
  });
  expect(await build.outcome).toMatchObject({ end: 'canceled' });
  expect(pushNotes(build.records)).toHaveLength(1);
  expect(await behind.tags('busy/app')).toEqual([]);
});

test('loads the image into the engine', async () => {
  const tags = [`kiln-lab/${shared.options.instance}:1`];
  pushed.push(...tags);
  const { outcome } = begin(shared.builder, { dockerfile: small('loaded'), spec: { output: { type: 'load' }, tags } });
  expect(await outcome).toMatchObject({ end: 'succeeded', result: { loaded: tags } });
  // By its tag, which only the engine knows.
  expect(await begin(shared.builder, { dockerfile: `FROM ${tags[0]}` }).outcome).toMatchObject({ end: 'succeeded' });
});
