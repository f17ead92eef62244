import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Trust } from '@kiln/domain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Builder, HostBuilders, type HostBuildersOptions } from '../index.ts';
import { begin, engine, IMAGES, type TestBuild } from '../testing/lab.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';

const instance = randomUUID().slice(0, 8);
let scratch: string;
let options: HostBuildersOptions;
let host: HostBuilders;
let builders: Record<Trust, Builder>;
let files: { 'root.tar': Buffer };

async function open(trust: Trust): Promise<Builder> {
  const builder = await host.open(trust, host.info.cacheBudgets?.[trust]);
  await builder.extendFence(Date.now() + 600_000);
  return builder;
}

const containerOf = (trust: Trust) => engine.getContainer(`buildx_buildkit_kiln-lab-${instance}-${trust}0`);
const toolOf = (suffix: string) => engine.getContainer(`kiln-tool-lab-${instance}${suffix}`);

beforeAll(async () => {
  files = { 'root.tar': await smallRoot() };
  scratch = await mkdtemp(join(tmpdir(), 'kiln-trust-'));
  options = {
    hostName: 'lab',
    instance,
    scratchDir: join(scratch, 'scratch'),
    driver: 'docker-container',
    isolation: 'pool',
    toolImage: IMAGES.tool,
    buildkitImage: IMAGES.buildkit,
    cacheBudgetBytes: 4e9,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };
  host = await HostBuilders.start(options);
  builders = { trusted: await open('trusted'), untrusted: await open('untrusted') };
});
afterAll(async () => {
  await host?.close();
  for (const trust of ['trusted', 'untrusted'] as const) {
    await containerOf(trust).remove({ force: true });
    await engine.getVolume(`buildx_buildkit_kiln-lab-${instance}-${trust}0_state`).remove();
  }
  await rm(scratch, { recursive: true, force: true });
});

/** Builds on the class's builder; returns the steps' output, and how many were cached. */
async function build(trust: Trust, step: string, more: TestBuild = {}) {
  const run = begin(builders[trust], { dockerfile: `${BASE}\n${step}`, files, ...more });
  const { end, failure, steps } = await run.outcome;
  expect([end, failure]).toEqual(['succeeded', undefined]);
  return { output: run.output(), steps };
}

const BOTH = [
  ['trusted', 'untrusted'],
  ['untrusted', 'trusted'],
] as const;

describe('docker-container', () => {
  test('has a builder for each class, with its own container, volume and part of the budget', async () => {
    const { trusted, untrusted } = builders;
    expect([trusted.info, untrusted.info]).toMatchObject([
      { trust: 'trusted', driver: 'docker-container', cacheBudget: { bytes: 3e9 } },
      { trust: 'untrusted', driver: 'docker-container', cacheBudget: { bytes: 1e9 } },
    ]);
    const volumes = await Promise.all(
      (['trusted', 'untrusted'] as const).map(async (trust) => {
        const { Mounts } = await containerOf(trust).inspect();
        return Mounts.map(({ Name }) => Name);
      }),
    );
    expect(new Set(volumes.flat()).size).toBe(2);
  });

  // Same repo, id, namespace and steps: on one BuildKit the second build would find what the first one left. Each test has its own steps,
  // because mount ids aren’t part of a layer’s key.
  test.each(BOTH)('keeps the cache mounts of %s builds from %s ones', async (writer, reader) => {
    const mount = `--mount=type=cache,id=${writer}-left,sharing=locked,target=/c`;
    await build(writer, `RUN ${mount} echo ${writer} >> /c/log; cat /c/log # ${writer} 1`);
    expect((await build(writer, `RUN ${mount} echo ${writer} >> /c/log; cat /c/log # ${writer} 2`)).output).toBe(
      `${writer}\n${writer}\n`,
    );
    expect((await build(reader, `RUN ${mount} echo ${reader} >> /c/log; cat /c/log # ${writer} 2`)).output).toBe(
      `${reader}\n`,
    );
    const left = async (trust: Trust) =>
      (await builders[trust].inventory()).mounts.filter(({ id }) => id.endsWith(`/${writer}-left`));
    const [theirs] = await left(writer);
    await builders[writer].prune(theirs?.records ?? []);
    expect(await left(writer)).toEqual([]);
    expect(await left(reader)).toHaveLength(1);
  });

  test.each(BOTH)('keeps steps of %s builds from being cached for %s ones', async (first, second) => {
    const step = `RUN --mount=type=cache,id=l,sharing=locked,target=/c cat /proc/sys/kernel/random/uuid # ${first} first`;
    const own = await build(first, step);
    expect(own.output).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await build(first, step)).steps).toEqual({ total: 2, cached: 2 });
    const other = await build(second, step);
    expect(other.output).toMatch(/^[0-9a-f-]{36}\n$/);
    expect(other.output).not.toBe(own.output);
  });

  test('shares no cache mount between untrusted builds of two repos, whatever scope they request', async () => {
    const at = (repo: string, n: number) =>
      build('untrusted', `RUN --mount=type=cache,id=wide,target=/c echo ${repo} >> /c/log; cat /c/log # ${n}`, {
        repo,
        spec: { cacheScope: 'pool' },
      });
    await at('one', 1);
    expect((await at('one', 2)).output).toBe('one\none\n');
    expect((await at('two', 3)).output).toBe('two\n');
  });

  test.each(BOTH)('the builder for %s builds refuses a build that is %s', async (own, other) => {
    const run = begin(builders[own], { trust: other, domain: other, dockerfile: `${BASE}\nRUN echo ran`, files });
    expect(await run.outcome).toMatchObject({
      failure: { code: 'infrastructure', message: `the builder is for ${own} builds, got a build that is ${other}` },
    });
    expect(run.records).toEqual([]);
  });

  test.each(['--network=host', '--security=insecure'])('gives no build the entitlement of RUN %s', async (flag) => {
    // Without a # syntax= line, whose frontend would have to be pulled, not every BuildKit knows these flags: the build fails either way.
    const dockerfile = `${BASE}\nRUN ${flag} echo privileged`;
    const run = begin(builders.untrusted, { dockerfile, files, network: true });
    expect(await run.outcome).toMatchObject({ end: 'failed' });
    expect(run.output()).not.toContain('privileged');
  });

  test('a worker for one class stops the builder that a killed worker of the other class left running', async () => {
    await builders.untrusted.extendFence(Date.now() + 600_000);
    expect((await toolOf('-untrusted').inspect()).State.Running).toBe(true);
    await builders.trusted.close();
    host = await HostBuilders.start({ ...options, trust: 'trusted' });
    expect([host.info.trust, host.info.cacheBudgets, host.running]).toEqual([
      ['trusted'],
      { trusted: 4e9 },
      ['trusted'],
    ]);
    await expect(toolOf('-untrusted').inspect()).rejects.toThrow('No such container');
    expect((await containerOf('untrusted').inspect()).State.Running).toBe(false);
    await expect(host.open('untrusted')).rejects.toThrow('no builder for untrusted builds');
  });
});
