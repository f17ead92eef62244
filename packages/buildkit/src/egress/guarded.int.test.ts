import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Builder } from '../index.ts';
import { containerOf } from '../lifecycle/builder-names.ts';
import { begin, engine, IMAGES, type Lab, lab, until } from '../testing/lab.ts';
import { OutsideNetwork } from '../testing/outside-network.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';
import type { Egress } from './egress.ts';
import { gateName, namesOf } from './gate.ts';

/** Concurrent runs on this machine use other addresses. */
const METADATA = `169.254.169.${1 + (process.pid % 254)}`;
const PUBLIC = `93.184.216.${1 + (process.pid % 254)}`;
const guarded = (...allowed: string[]): Egress => ({ mode: 'guarded', allowed, metadata: ['169.254.169.0/24'] });

let outside: OutsideNetwork;
let root: Buffer;
let own: Lab;
const host = () => ({ engine, options: own.options });
const container = () => containerOf(`kiln-lab-${own.options.instance}-trusted`);
/** An address of this machine. */
const machine = () => {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '';
};
const rules = () =>
  execFileSync('iptables-save', ['-t', 'filter'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

beforeAll(async () => {
  [outside, root] = await Promise.all([OutsideNetwork.start([METADATA, PUBLIC]), smallRoot(['/bin/bash'])]);
  own = await lab({ driver: 'docker-container', egress: guarded() });
});
afterAll(async () => {
  await own[Symbol.asyncDispose]();
  await engine.getContainer(container()).remove({ force: true });
  await engine.getVolume(`${container()}_state`).remove();
  await outside[Symbol.asyncDispose]();
});

/** Returns what a RUN gets from port 80 of each address. */
async function byRun(builder: Builder, ...addresses: string[]): Promise<string[]> {
  const get = `exec 3<>/dev/tcp/$a/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
  const each = `for a in ${addresses.join(' ')}; do echo "== $a"; ( ${get} ) 2>&1 || true; done`;
  const dockerfile = `${BASE}\nSHELL ["/bin/bash", "-c"]\nRUN ${each} # ${Math.random()}`;
  const build = begin(builder, { dockerfile, files: { 'root.tar': root }, network: true });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  const parts = build.output().split(/^== .*$/m);
  return parts
    .slice(1)
    .map((part) => (/^reached$/m.test(part) ? 'reached' : /No route to host/.test(part) ? 'refused' : part));
}

/** Returns what BuildKit itself gets there. */
async function byAdd(builder: Builder, address: string): Promise<string> {
  const build = begin(builder, { dockerfile: `FROM scratch\nADD http://${address}/${Math.random()} /x` });
  const { end, failure } = await build.outcome;
  if (end === 'succeeded') return 'reached';
  return /no route to host/.test(failure?.message ?? '') ? 'refused' : `${failure?.message}`;
}

describe('a guarded builder', () => {
  test('reaches public addresses, but not metadata, private networks or the machine itself, and fails at once', async () => {
    const addresses = [PUBLIC, METADATA, outside.address, machine()];
    expect(await byRun(own.builder, ...addresses)).toEqual(['reached', 'refused', 'refused', 'refused']);
    expect(await byAdd(own.builder, PUBLIC)).toBe('reached');
    expect(await byAdd(own.builder, METADATA)).toBe('refused');
    expect(await byAdd(own.builder, machine())).toBe('refused');
  });

  test('is restricted from outside, even with all privileges within its network', async () => {
    const reach = `iptables -F; iptables -t mangle -F; exec 3<>/dev/tcp/${METADATA}/80 && echo through`;
    const output = new PassThrough();
    const said = text(output);
    const [, ran] = (await engine.run(IMAGES.buildkit, ['-c', reach], output, {
      Entrypoint: ['/bin/bash'],
      HostConfig: { NetworkMode: gateName(host()), Privileged: true, AutoRemove: true },
    })) as [unknown, { id: string }];
    expect(ran.id).toBeTruthy();
    expect(await said).toMatch(/No route to host/);
  });

  test('stays restricted when its container restarts, the rules are removed, or the gate is gone', async () => {
    const { bridge, chain } = namesOf(host());
    await engine.getContainer(container()).restart();
    execFileSync('iptables', ['-w', '5', '-D', 'FORWARD', '-i', bridge, '-j', chain]);
    execFileSync('iptables', ['-w', '5', '-F', chain]);
    // The gate may have put the jump back before the chain was emptied.
    await until(() => [`-A FORWARD -i ${bridge} -j ${chain}`, `-A ${chain} `].every((rule) => rules().includes(rule)));
    expect(await byRun(own.builder, METADATA)).toEqual(['refused']);

    await engine.getContainer(gateName(host())).remove({ force: true });
    execFileSync('iptables', ['-w', '5', '-F', chain]);
    expect(await byRun(own.builder, METADATA)).toEqual(['refused']);
    expect((await engine.getContainer(gateName(host())).inspect()).State.Running).toBe(true);
  });

  test('reaches what the operator allows, metadata only by its single address', async () => {
    await own.builder.close();
    const { Id } = await engine.getContainer(container()).inspect();
    {
      await using some = await Builder.start({ ...own.options, egress: guarded('10.98.0.0/16', '169.254.0.0/16') });
      await some.extendFence(Date.now() + 600_000);
      expect(await byRun(some, outside.address, METADATA)).toEqual(['reached', 'refused']);
      expect(await byAdd(some, outside.address)).toBe('reached');
    }
    await using more = await Builder.start({ ...own.options, egress: guarded(METADATA) });
    await more.extendFence(Date.now() + 600_000);
    expect(await byRun(more, METADATA, outside.address)).toEqual(['reached', 'refused']);
    // The builder keeps running with its caches: only the rules change.
    expect((await engine.getContainer(container()).inspect()).Id).toBe(Id);
  });

  test('returns to the engine’s own network and removes the gate when it is no longer guarded', async () => {
    const { bridge, chain } = namesOf(host());
    const { egress: _, ...open } = own.options;
    await using builder = await Builder.start(open);
    const { NetworkSettings } = await engine.getContainer(container()).inspect();
    expect(Object.keys(NetworkSettings.Networks)).toEqual(['bridge']);
    expect((await builder.inventory()).usedBytes).toBeGreaterThan(0);
    expect(rules()).not.toMatch(new RegExp(`${bridge}|${chain}`));
    await expect(engine.getNetwork(gateName(host())).inspect()).rejects.toMatchObject({ statusCode: 404 });
    await expect(engine.getContainer(gateName(host())).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe('guarded egress', () => {
  test('is refused with the docker driver, which has no network of its own', async () => {
    await expect(lab({ driver: 'docker', egress: guarded() })).rejects.toThrow(
      /^KILN_BUILD_EGRESS can’t be enforced on this host: with the docker driver/,
    );
  });

  test('is refused if the rules can’t be set, and leaves nothing behind', async () => {
    const instance = 'norules';
    const refused = lab({ driver: 'docker-container', instance, buildkitImage: IMAGES.debian, egress: guarded() });
    await expect(refused).rejects.toThrow(
      /KILN_BUILD_EGRESS can’t be enforced .*could not set the packet rules.*iptables: not found/,
    );
    const name = gateName({ engine, options: { ...own.options, instance } });
    await expect(engine.getContainer(name).inspect()).rejects.toMatchObject({ statusCode: 404 });
    await engine.getNetwork(name).remove();
  });
});
