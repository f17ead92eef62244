import { randomUUID } from 'node:crypto';
import { GitServer } from '@kiln/git/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestAuthority } from '../testing/certificates.ts';
import { begin, lab } from '../testing/lab.ts';
import { OwnAddress } from '../testing/own-address.ts';
import { type PrivateRegistry, startPrivateRegistry } from '../testing/private-registry.ts';
import { SettingsLab } from '../testing/settings-lab.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';
import { startTlsFront } from '../testing/tls-front.ts';

const MESSAGE = 'made in a step';
const IMAGE = 'library/kiln-small:1';

let place: OwnAddress;
let root: Buffer;
let upstream: PrivateRegistry;
let authority: TestAuthority;
const disposed: AsyncDisposable[] = [];
let own: SettingsLab;

beforeAll(async () => {
  place = new OwnAddress();
  authority = new TestAuthority();
  upstream = await startPrivateRegistry({ isOpen: true });
  disposed.push(authority, upstream);
  root = await smallRoot();
  await push(IMAGE);
  own = await SettingsLab.open(root);
});

afterAll(async () => {
  await own[Symbol.asyncDispose]();
  for (const one of disposed) await one[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

const count = () => `${BASE}\nRUN --mount=type=cache,target=/c echo x >> /c/log; cat /c/log # ${randomUUID()}`;

/** Pushes the small root file system as an image to the upstream registry. */
async function push(image: string): Promise<void> {
  await using engines = await lab();
  const tag = `${upstream.host}/${image}`;
  const { outcome } = begin(engines.builder, {
    dockerfile: BASE,
    files: { 'root.tar': root },
    spec: { output: { type: 'push' }, tags: [tag] },
  });
  expect(await outcome).toMatchObject({ end: 'succeeded' });
}

const from = (image: string) => ({ dockerfile: `FROM ${image}\nRUN echo ${MESSAGE} # ${randomUUID()}` });

/** A front of the upstream registry, with a certificate that only the private authority has signed. */
const front = () => startTlsFront(Number(upstream.host.split(':')[1]), authority.issue(place.address), place.address);

/** Builds of a commit, and of a file, on a server with such a certificate. */
async function gitBuilds() {
  const git = await GitServer.start();
  const commit = git.commit({ Dockerfile: 'FROM scratch\nCOPY file /\n', file: randomUUID() });
  const certificate = authority.issue(place.address);
  const tls = await startTlsFront(Number(new URL(git.origin).port), certificate, place.address);
  disposed.push(git, tls);
  const source = { type: 'git', url: `https://${tls.host}/app.git`, commit } as const;
  return [{ source }, { dockerfile: `FROM scratch\nADD https://${tls.host}/app.git/HEAD /${randomUUID()}` }] as const;
}

test('asks registry mirrors in order, and trusts a private authority only where a setting says so, or verifies nothing', async () => {
  await using mirror = await startPrivateRegistry({
    listenAt: place.address,
    isOpen: true,
    mirrorOf: `http://${upstream.host}`,
  });
  const down = `${place.address}:9`;
  await using unknown = await front();
  await using trusted = await front();
  await using unsafe = await front();
  const registries = {
    'docker.io': { mirrors: [down, mirror.host] },
    [down]: { plainHttp: true },
    [mirror.host]: { plainHttp: true },
    [trusted.host]: { authorities: [authority.pem] },
    [unsafe.host]: { insecureSkipVerify: true },
  };
  const [mirrored, refused, ...others] = await own.buildsWith({ registries }, [
    from('kiln-small:1'),
    from(`${unknown.host}/${IMAGE}`),
    from(`${trusted.host}/${IMAGE}`),
    from(`${unsafe.host}/${IMAGE}`),
    ...(await gitBuilds()),
  ]);
  expect(mirrored.outcome).toMatchObject({ end: 'succeeded' });
  expect(mirrored.output).toContain(MESSAGE);
  expect(refused.outcome).toMatchObject({ end: 'failed' });
  expect(refused.outcome.failure?.message).toMatch(/x509|certificate/);
  expect(others.map(({ outcome }) => outcome.end)).toEqual(['succeeded', 'succeeded', 'failed', 'failed']);
});

test('trusts a global authority for registries, git and ADD; and keeps the caches in a builder recreated for changed settings', async () => {
  const id = async () => (await own.container.inspect()).Id;
  await using tls = await front();
  const global = { authorities: [authority.pem] };
  const builds = [from(`${tls.host}/${IMAGE}`), ...(await gitBuilds()), { dockerfile: count() }] as const;
  const all = await own.buildsWith(global, builds);
  expect(all.map(({ outcome }) => outcome.end)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
  const before = await id();
  const settings = { dns: { servers: [place.address] }, limits: { pids: 500 } };
  const changed = await own.buildWith(settings, { dockerfile: count() });
  expect([all[3].output, changed.output]).toEqual(['x\n', 'x\nx\n']);
  const between = await id();
  expect(between).not.toBe(before);
  // A worker with the same settings uses the builder as it is.
  const same = await own.buildWith(settings, { dockerfile: count() });
  expect(same.output).toBe('x\nx\nx\n');
  expect(await id()).toBe(between);
});
