import { randomUUID } from 'node:crypto';
import { GitServer } from '@kiln/git/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuilderSettings } from '../index.ts';
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

describe('registry mirrors', () => {
  test('are asked in order, and the next one if the first is down', async () => {
    await using mirror = await startPrivateRegistry({
      listenAt: place.address,
      isOpen: true,
      mirrorOf: `http://${upstream.host}`,
    });
    const down = `${place.address}:9`;
    const settings = {
      registries: {
        'docker.io': { mirrors: [down, mirror.host] },
        [down]: { plainHttp: true },
        [mirror.host]: { plainHttp: true },
      },
    };
    const { outcome, output } = await own.buildWith(settings, from('kiln-small:1'));
    expect(outcome).toMatchObject({ end: 'succeeded' });
    expect(output).toContain(MESSAGE);
  });
});

describe('a registry with a private authority', () => {
  test('is refused without its certificate, trusted with it, and with verification switched off', async () => {
    const port = Number(upstream.host.split(':')[1]);
    await using tls = await startTlsFront(port, authority.issue(place.address), place.address);
    const image = `${tls.host}/${IMAGE}`;
    const refused = await own.buildWith({}, from(image));
    expect(refused.outcome).toMatchObject({ end: 'failed' });
    expect(refused.outcome.failure?.message).toMatch(/x509|certificate/);
    const one = { [tls.host]: { authorities: [authority.pem] } };
    expect((await own.buildWith({ registries: one }, from(image))).outcome).toMatchObject({ end: 'succeeded' });
    const all = await own.buildWith({ authorities: [authority.pem] }, from(image));
    expect(all.outcome).toMatchObject({ end: 'succeeded' });
    const unsafe = { [tls.host]: { insecureSkipVerify: true } };
    expect((await own.buildWith({ registries: unsafe }, from(image))).outcome).toMatchObject({ end: 'succeeded' });
  });
});

test('a global authority is trusted for git and for ADD', async () => {
  await using git = await GitServer.start();
  const commit = git.commit({ Dockerfile: 'FROM scratch\nCOPY file /\n', file: randomUUID() });
  const certificate = authority.issue(place.address);
  await using tls = await startTlsFront(Number(new URL(git.origin).port), certificate, place.address);
  const source = { type: 'git', url: `https://${tls.host}/app.git`, commit } as const;
  const add = { dockerfile: `FROM scratch\nADD https://${tls.host}/app.git/HEAD /${randomUUID()}` };
  const ends = async (settings: BuilderSettings) =>
    (await own.buildsWith(settings, [{ source }, add])).map(({ outcome }) => outcome.end);
  expect(await ends({})).toEqual(['failed', 'failed']);
  expect(await ends({ authorities: [authority.pem] })).toEqual(['succeeded', 'succeeded']);
});

test('caches survive a change of settings, which recreates the builder, and so does an unchanged builder', async () => {
  const id = async () => (await own.container.inspect()).Id;
  const dns = { servers: [place.address] };
  const first = await own.buildWith({}, { dockerfile: count() });
  const before = await id();
  const changed = await own.buildWith({ dns, limits: { pids: 500 } }, { dockerfile: count() });
  expect([first.output, changed.output]).toEqual(['x\n', 'x\nx\n']);
  const between = await id();
  expect(between).not.toBe(before);
  const same = await own.buildWith({ dns, limits: { pids: 500 } }, { dockerfile: count() });
  expect(same.output).toBe('x\nx\nx\n');
  expect(await id()).toBe(between);
});
