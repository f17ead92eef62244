import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FaultyRegistry, faultyRegistry, type RegistryFault } from '../testing/faulty-registry.ts';
import { begin, engine, type Lab, lab, processesWith, uniqueSeconds, until } from '../testing/lab.ts';
import { type PrivateRegistry, startPrivateRegistry } from '../testing/private-registry.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';
import { removeFreshBuilders } from './fresh-builders.ts';

let files: { 'root.tar': Buffer };
let registry: PrivateRegistry;
let faulty: FaultyRegistry;
/** Takes no caches but those within images. */
let strict: FaultyRegistry;
let own: Lab;

beforeAll(async () => {
  files = { 'root.tar': await smallRoot() };
  // The address of this machine on the engine's bridge, which containers reach.
  const { IPAM } = await engine.getNetwork('bridge').inspect();
  const listenAt = IPAM?.Config?.[0]?.Gateway ?? '';
  registry = await startPrivateRegistry({ listenAt, isOpen: true });
  faulty = await faultyRegistry(listenAt, registry.host);
  strict = await faultyRegistry(listenAt, registry.host);
  strict.fault = (_, body) => (body.includes('buildkit.cacheconfig') ? { status: 400 } : undefined);
  const plain = [registry, faulty, strict].map(({ host }) => [host, { plainHttp: true }] as const);
  own = await lab({ driver: 'docker-container', settings: { registries: Object.fromEntries(plain) } });
});
afterAll(async () => {
  await own[Symbol.asyncDispose]();
  const container = `buildx_buildkit_kiln-lab-${own.options.instance}-trusted0`;
  await engine.getContainer(container).remove({ force: true });
  await engine.getVolume(`${container}_state`).remove();
  await strict[Symbol.asyncDispose]();
  await faulty[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const dockerfile = `${BASE}\nRUN echo built > /built`;
const name = (repo: string, at = registry.host) => `${at}/${repo}`;

interface More {
  readonly tag?: string;
  readonly dockerfile?: string;
  readonly repo?: string;
  readonly isWarm?: boolean;
}

function build(cache: object, more: More = {}) {
  const { tag } = more;
  const output = tag === undefined ? {} : { tags: [tag], output: { type: 'push' }, provenance: false };
  return begin(own.builder, {
    dockerfile: more.dockerfile ?? dockerfile,
    files,
    ...(more.repo !== undefined && { repo: more.repo }),
    ...(more.isWarm !== undefined && { isWarm: more.isWarm }),
    spec: { cache, ...output, buildArgs: { SOURCE_DATE_EPOCH: '0' } },
  });
}

async function freshBuilders(): Promise<string[]> {
  const { Volumes } = await engine.listVolumes({
    filters: { label: [`kiln.instance=${own.options.instance}`, 'kiln.fresh'] },
  });
  const containers = await engine.listContainers({
    all: true,
    filters: { name: [`kilnfresh-lab-${own.options.instance}`] },
  });
  return [...(Volumes ?? []).map(({ Name }) => Name), ...containers.flatMap(({ Names }) => Names)];
}

const layersOf = async (repo: string, tag: string) => {
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';
  const answer = await fetch(`http://${registry.host}/v2/${repo}/manifests/${tag}`, { headers: { accept } });
  const { layers } = (await answer.json()) as { layers: { digest: string }[] };
  return layers.map(({ digest }) => digest);
};
const digestOf = async (repo: string, tag: string) => {
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';
  const answer = await fetch(`http://${registry.host}/v2/${repo}/manifests/${tag}`, { headers: { accept } });
  return answer.headers.get('docker-content-digest');
};
const notes = ({ records }: ReturnType<typeof build>) =>
  records.flatMap((record) => (record.type === 'note' ? [record.message] : []));

test('registry builds on a builder of its own with the caches of the last one, and gives the same layers', async () => {
  const first = build({ mode: 'registry' }, { tag: name('same:1') });
  expect(await first.outcome).toMatchObject({ end: 'succeeded', steps: { total: 2, cached: 0 } });
  expect(await registry.tags('same')).toEqual(expect.arrayContaining(['1', 'kiln-cache']));
  expect(first.exported).toEqual([name('same:kiln-cache')]);
  const second = build({ mode: 'registry' }, { tag: name('same:2') });
  expect((await second.outcome).steps).toEqual({ total: 2, cached: 2 });
  expect(await layersOf('same', '2')).toEqual(await layersOf('same', '1'));
  expect(await freshBuilders()).toEqual([]);
  // Nothing of it is in the long-lived builder.
  expect((await build({}).outcome).steps).toEqual({ total: 2, cached: 0 });
});

test('all modes give the same image', async () => {
  // A RUN gives its files the present time, unless it sets it.
  const run = 'RUN echo built > /built && touch -d @0 /built';
  const steps = `${BASE}\n${run}\nCOPY root.tar /copied\nENV MODE=any`;
  const tags = ['warm', 'registry', 'archive', 'fresh'].map((mode) => name(`modes:${mode}`));
  for (const [i, mode] of ['warm', 'registry', 'archive', 'fresh'].entries()) {
    const one = build({ mode }, { tag: tags[i] ?? '', dockerfile: steps, repo: 'modes' });
    expect(await one.outcome).toMatchObject({ end: 'succeeded' });
  }
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';
  const digests = tags.map(async (tag) => {
    const url = `http://${registry.host}/v2/modes/manifests/${tag.split(':').at(-1)}`;
    return (await fetch(url, { headers: { accept } })).headers.get('docker-content-digest');
  });
  const [warm, ...others] = await Promise.all(digests);
  expect(warm).toMatch(/^sha256:/);
  expect(others).toEqual([warm, warm, warm]);
});

test('a registry that refuses caches as an index gets them as an image manifest, in the same build, and later at once', async () => {
  let refusals = 0;
  faulty.fault = ({ method }, body) => {
    const isIndex = method === 'PUT' && body.includes('image.index.v1+json');
    if (isIndex) refusals += 1;
    return isIndex ? { status: 400 } : undefined;
  };
  const to = [{ type: 'registry', ref: name('refused:cache', faulty.host) }];
  const first = build({ mode: 'registry', to });
  expect(await first.outcome).toMatchObject({ end: 'succeeded' });
  expect(notes(first)).toContain('caches exported as image manifests, because the registry refused an index');
  expect(await registry.tags('refused')).toEqual(['cache']);
  expect(refusals).toBe(1);
});

test('a registry that refuses caches in both forms keeps them within an image, from which the next build imports them', async () => {
  const first = build({ mode: 'registry' }, { tag: name('within:1', strict.host) });
  expect(await first.outcome).toMatchObject({ end: 'succeeded' });
  expect(notes(first)).toContain('the registry takes no caches; from now on they are kept in an image');
  expect(await registry.tags('within')).toEqual(expect.arrayContaining(['1', 'kiln-cache']));
  // What the cleaner of registries would delete is never an image.
  expect(first.exported).toEqual([]);
  const second = build({ mode: 'registry' }, { tag: name('within:2', strict.host) });
  expect(await second.outcome).toMatchObject({ end: 'succeeded', steps: { total: 2, cached: 2 } });
  expect(notes(second).filter((one) => one.includes('registry takes') || one.includes('not exported'))).toEqual([]);
  // The caches are in an image of their own.
  expect(await layersOf('within', 'kiln-cache')).toEqual(await layersOf('within', '1'));
  expect(await digestOf('within', '2')).not.toBe(await digestOf('within', 'kiln-cache'));
});

test('a build whose caches are in S3 succeeds without them where BuildKit knows no S3, as that of an engine, and says so', async () => {
  const at = { type: 's3', bucket: 'caches', region: 'us-east-1' };
  const left = 'caches in S3 are left out: this host’s BuildKit has none';
  const first = build({ mode: 'registry', to: [at] });
  expect(await first.outcome).toMatchObject({ end: 'succeeded', steps: { total: 2 } });
  expect(notes(first)).toContain(left);
  const to = [{ type: 'registry', ref: name('s3:cache') }];
  const warm = build({ from: [at], to }, { repo: 's3', isWarm: false });
  expect(await warm.outcome).toMatchObject({ end: 'succeeded' });
  expect(notes(warm)).toContain(left);
  await own.builder.exported();
  expect(await registry.tags('s3')).toEqual(['cache']);
});

test('registries for caches that answer 500 or 403, break off in the middle or are slow fail no build', async () => {
  const faults: Readonly<Record<string, RegistryFault>> = {
    error: { status: 500 },
    denied: { status: 403 },
    half: { cut: true },
    slow: { delayMs: 100 },
  };
  faulty.fault = ({ url = '' }) => faults[url.split('/')[2] ?? ''];
  const to = Object.keys(faults).map((repo) => ({ type: 'registry', ref: name(`${repo}:cache`, faulty.host) }));
  const one = build({ mode: 'registry', to }, { tag: name('whole:1') });
  expect(await one.outcome).toMatchObject({ end: 'succeeded', steps: { total: 2 } });
  expect(await registry.tags('whole')).toEqual(['1']);
  expect(notes(one)).toContainEqual(expect.stringMatching(/^caches were not exported: /));
  expect(await registry.tags('slow')).toEqual(['cache']);
});

test('archive restores the caches that the last build saved, on a builder of its own', async () => {
  const kept = join(own.options.scratchDir, 'kept');
  const archive = {
    restore: (dir: string) =>
      cp(kept, dir, { recursive: true }).then(
        () => true,
        () => false,
      ),
    save: (dir: string) => cp(dir, kept, { recursive: true, force: true }),
  };
  const run = () => begin(own.builder, { dockerfile, files, archive, spec: { cache: { mode: 'archive' } } });
  expect((await run().outcome).steps).toEqual({ total: 2, cached: 0 });
  expect((await run().outcome).steps).toEqual({ total: 2, cached: 2 });
});

test('warm exports its caches when the result is out, and imports them only on a cold builder', async () => {
  faulty.fault = () => undefined;
  const cache = {
    from: [{ type: 'registry', ref: name('warm:cache') }],
    to: [{ type: 'registry', ref: name('warm:cache') }],
  };
  const steps = `${BASE}\nRUN echo warm > /warm`;
  const first = build(cache, { dockerfile: steps, repo: 'warm' });
  expect(await first.outcome).toMatchObject({ end: 'succeeded' });
  await own.builder.exported();
  expect(first.exported).toEqual([name('warm:cache')]);
  // By this the cleaner of registries recognizes caches.
  const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
  const manifest = await fetch(`http://${registry.host}/v2/warm/manifests/cache`, { headers: { accept } });
  expect(await manifest.text()).toContain('"mediaType":"application/vnd.buildkit.cacheconfig.v0"');
  expect(await registry.tags('warm')).toEqual(['cache']);
  const again = build(cache, { dockerfile: steps, repo: 'warm' });
  expect((await again.outcome).steps).toEqual({ total: 2, cached: 2 });
  const importing = (one: typeof first) =>
    one.records.some((record) => record.type === 'step' && record.name.startsWith('importing cache'));
  expect([importing(first), importing(again)]).toEqual([true, false]);
  // By its inventory, the builder may have become cold since.
  const evicted = build(cache, { dockerfile: steps, repo: 'warm', isWarm: false });
  expect(await evicted.outcome).toMatchObject({ end: 'succeeded' });
  expect(importing(evicted)).toBe(true);
  // The caches are whole: a builder of its own finds every step.
  expect((await build({ mode: 'registry', from: cache.from }, { dockerfile: steps }).outcome).steps).toEqual({
    total: 2,
    cached: 2,
  });
});

test('a warm build whose caches could not be exported succeeds, and the next build of the repo says so', async () => {
  faulty.fault = ({ method }) => (method === 'PUT' || method === 'POST' ? { status: 403 } : undefined);
  const cache = { to: [{ type: 'registry', ref: name('denied:cache', faulty.host) }] };
  const first = build(cache, { repo: 'denied' });
  expect(await first.outcome).toMatchObject({ end: 'succeeded' });
  await own.builder.exported();
  const warnings = ({ records }: typeof first) =>
    records.flatMap((record) => (record.type === 'warning' ? [record.message] : []));
  const [second, third] = [build({}, { repo: 'denied' }), build({}, { repo: 'other' })];
  await Promise.all([second.outcome, third.outcome]);
  expect(warnings(second)).toEqual([
    expect.stringMatching(`^the caches of build ${first.id} of this repo were not exported as wanted: .*403`),
  ]);
  expect([...warnings(first), ...warnings(third)]).toEqual([]);
});

test('builds at once have a builder each, and the next worker removes those of one that was killed', async () => {
  const seconds = uniqueSeconds();
  const sleeping = build({ mode: 'fresh' }, { dockerfile: `${BASE}\nRUN sleep ${seconds}` });
  await until(async () => (await processesWith(seconds)).length > 0);
  // Also those of the long-lived builder aren't used.
  expect(await build({ mode: 'fresh' }).outcome).toMatchObject({ end: 'succeeded', steps: { total: 2, cached: 0 } });
  // A container and a volume.
  expect((await freshBuilders()).length).toBe(2);
  await removeFreshBuilders(engine, own.options);
  expect(await freshBuilders()).toEqual([]);
  expect(await processesWith(seconds)).toEqual([]);
  expect(await sleeping.outcome).toMatchObject({ end: 'failed' });
});
