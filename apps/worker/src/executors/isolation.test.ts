import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { EngineTaken } from '@kiln/buildkit';
import { buildRequest } from '@kiln/contracts';
import { type BuildRecord, domainOfKey, isTerminal, type Outcome } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { type HostState, Leadership, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DomainRequest, Executor, ExecutorInventory, ExecutorSource } from '../engine/executor.ts';
import { type RunningWorker, startWorker } from '../worker.ts';
import type { WorkerOptions } from '../worker-options.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const [WEB, OPS] = ['trusted team web', 'trusted team ops'];
let redis: TestRedis;
let state: State;
let dir: string;
let worker: RunningWorker | undefined;
let pools = 0;
let source: FakeSource;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  const namespace = `isolation-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  dir = await mkdtemp(join(tmpdir(), 'kiln-isolation-'));
  source = new FakeSource(false);
  worker = undefined;
});
afterEach(async () => {
  source.release();
  await worker?.drain(0);
  await state[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** Executors that build at once, or when they are told to, and the volumes that they leave. */
class FakeSource implements ExecutorSource {
  readonly info: ExecutorSource['info'];
  domain: string | undefined;
  readonly volumes = new Map<string, number>();
  readonly up = new Map<string, { budgetBytes: number | undefined }>();
  readonly ran: DomainRequest[] = [];
  readonly opened: [domain: string, budgetBytes: number | undefined][] = [];
  readonly trimmed: [domain: string, toBytes: number][] = [];
  /** Which domains can't be brought up at present. */
  readonly broken = new Set<string>();
  fencedUntilMs = 0;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(oneDomain: boolean) {
    this.info = {
      ...{ driver: 'docker-container', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] },
      ...{ trust: ['trusted', 'untrusted'], isolation: 'team', oneDomain },
      ...(!oneDomain && {
        cacheBudget: { bytes: 4_000, from: 'configured' as const },
        cacheBudgets: { trusted: 3_200, untrusted: 800 },
      }),
    };
  }

  get running(): readonly string[] {
    return [...this.up.keys()];
  }

  /** Builds go on until `release`. */
  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
  }

  stored = async () => [...this.volumes.keys()];
  open = async (domain: string, budgetBytes?: number): Promise<Executor> => {
    this.opened.push([domain, budgetBytes]);
    if (this.broken.has(domain)) throw new Error('no space left on device');
    if (this.info.oneDomain) {
      this.domain ??= domain;
      if (this.domain !== domain) throw new EngineTaken(this.domain, domain);
    }
    this.up.set(domain, { budgetBytes });
    if (!this.volumes.has(domain)) this.volumes.set(domain, 0);
    return this.#executor(domain);
  };
  stop = async (domain: string) => void this.up.delete(domain);
  discard = async (domain: string) => {
    this.up.delete(domain);
    this.volumes.delete(domain);
  };

  #executor(domain: string): Executor {
    const { trust: _, isolation: __, oneDomain: ___, cacheBudgets: ____, ...info } = this.info;
    return {
      info: { ...info, domain },
      run: async (request): Promise<Outcome> => {
        this.ran.push(request);
        await this.#held?.promise;
        return { end: 'succeeded' };
      },
      inventory: async (): Promise<ExecutorInventory> => {
        const bytes = this.volumes.get(domain) ?? 0;
        const mounts = [{ id: `${domain}/x`, bytes, lastUsedAt: 1, inUse: false, records: ['r'] }];
        const layers = [{ id: 'l', bytes: 1, lastUsedAt: Date.now(), parents: [] }];
        return { readAt: Date.now(), sizesAreFloors: false, usedBytes: bytes, mounts, layers };
      },
      trim: async (toBytes) => {
        this.trimmed.push([domain, toBytes]);
        this.volumes.set(domain, Math.min(toBytes, this.volumes.get(domain) ?? 0));
      },
      extendFence: async (untilMs) => {
        this.fencedUntilMs = untilMs;
      },
      close: async () => {},
    };
  }
}

async function startHost(more: Partial<WorkerOptions> = {}): Promise<void> {
  worker = await startWorker(
    { hostName: 'h1', slots: 4, leaseTtlMs: 5_000, syncEveryMs: 50, fenceMarginMs: 1_000, ...more },
    {
      ...state,
      executors: source,
      identity: { machine: 'm1', incarnation: randomUUID() },
      outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
      openContext: async () => Readable.from(['a tar']),
      storeArtifact: async () => ({ digest: '', sizeBytes: 0 }),
      engineCheckEveryMs: 10,
      log: createLogger({ app: 'test', level: 'silent' }),
    },
  );
}

/** Has a build of the team assigned, as the leader does it, but not delivered. */
async function assign(team: string): Promise<{ id: string; outcome: string }> {
  const parsed = buildRequest.parse({ source: { type: 'upload', name: 'app', digest: DIGEST }, team });
  const { build } = await state.builds.accept({ repo: 'app', spec: { ...parsed, secrets: [] }, secrets: {} });
  const { id } = build.record;
  const token = (await new Leadership(state.redis, state.keys, 'test', 60_000).hold()) ?? '';
  const host = await state.hosts.get('h1');
  const chosen = { name: 'h1', incarnation: host?.incarnation ?? '', slots: 4 };
  const { outcome } = await state.pending.assign(pendingBuild(build), chosen, decisionFor(id, 'h1'), token);
  return { id, outcome };
}

async function deliver(team: string): Promise<string> {
  const { id, outcome } = await assign(team);
  expect(outcome).toBe('assigned');
  await state.queues.enqueue('h1', { buildId: id, attempt: 1 });
  return id;
}

async function until<T>(read: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const ended = (id: string, seen = ({ state: now }: BuildRecord) => isTerminal(now)) =>
  until(async () => {
    const record = (await state.builds.get(id))?.record;
    return record && seen(record) ? record : undefined;
  });
const host = (seen: (now: HostState) => unknown) =>
  until(async () => {
    const now = await state.hosts.get('h1');
    return now && seen(now) ? now : undefined;
  });
const build = async (team: string) => ended(await deliver(team));

describe('a host that keeps domains apart', () => {
  test('brings up a builder when a build of its domain comes, once for however many, and runs it there', async () => {
    await startHost();
    expect(source.opened).toEqual([]);
    expect((await host(() => true)).report).toMatchObject({ isolation: 'team', oneDomain: false });
    const ids = await Promise.all(['web', 'web', 'ops'].map(deliver));
    for (const id of ids) expect(await ended(id)).toMatchObject({ state: 'succeeded' });
    expect(source.opened.map(([domain]) => domain).sort()).toEqual([OPS, WEB]);
    expect(source.ran.map(({ domain, repo }) => domain === domainOfKey(repo, 'team'))).toEqual([true, true, true]);
    expect(source.fencedUntilMs).toBeGreaterThan(Date.now());
  });

  test('stops a builder that has had no build for long, and tells its caches as they were read last', async () => {
    await startHost({ builderIdleMs: 30, ledgerFile: join(dir, 'layers.json') });
    await build('web');
    source.volumes.set(WEB, 70);
    await build('web');
    await until(() => (source.running.length === 0 ? true : undefined));
    expect((await host(({ inventory }) => inventory?.usedBytes === 70)).inventory).toMatchObject({
      usedByDomain: { [WEB]: 70 },
      mounts: [{ id: `${WEB}/x`, domain: WEB }],
    });
    expect(await build('web')).toMatchObject({ state: 'succeeded' });
  });

  test('never stops a builder that a build needs', async () => {
    source.hold();
    await startHost({ builderIdleMs: 1 });
    const id = await deliver('web');
    await until(() => source.ran[0]);
    const other = await deliver('ops');
    await until(() => source.ran[1]);
    expect(source.running).toEqual([WEB, OPS]);
    expect(source.opened).toHaveLength(2);
    source.release();
    for (const one of [id, other]) expect(await ended(one)).toMatchObject({ state: 'succeeded' });
    await until(() => (source.running.length === 0 ? true : undefined));
  });

  test('a worker that starts again knows what stopped builders hold; what is gone from the engine it forgets', async () => {
    const ledgerFile = join(dir, 'layers.json');
    await startHost({ ledgerFile, builderIdleMs: 20 });
    for (const team of ['web', 'ops']) await build(team);
    for (const domain of [WEB, OPS]) source.volumes.set(domain, 50);
    for (const team of ['web', 'ops']) await build(team);
    await host(({ inventory }) => inventory?.usedBytes === 100);
    await worker?.drain(0);
    source.up.clear();
    source.volumes.delete(OPS);
    source.opened.length = 0;
    await startHost({ ledgerFile });
    const { inventory } = await host((now) => now.inventory?.usedBytes === 50);
    expect([inventory?.usedByDomain, source.opened]).toEqual([{ [WEB]: 50 }, []]);
  });

  test('takes a domain whose builder can’t be brought up from its offer, and nothing else, until it can', async () => {
    source.broken.add(WEB);
    await startHost();
    const back = await ended(await deliver('web'), ({ state: now }) => now === 'queued');
    expect(back.attempts).toMatchObject([{ failure: { code: 'infrastructure' } }]);
    expect((await host(() => true)).report).toMatchObject({ domainsAway: [WEB], accepting: true });
    expect(await build('ops')).toMatchObject({ state: 'succeeded' });
    source.broken.delete(WEB);
    await host(({ report }) => report.domainsAway?.length === 0);
    expect(await build('web')).toMatchObject({ state: 'succeeded' });
  });

  test('gives domains their parts of the budget, and has them keep to it', async () => {
    await startHost({ shareEveryMs: 20, ledgerFile: join(dir, 'layers.json') });
    await build('web');
    expect(source.opened[0]).toEqual([WEB, 3_200]);
    source.volumes.set(WEB, 3_000);
    await build('web');
    await host(({ inventory }) => inventory?.usedBytes === 3_000);
    // Another one is there: together they have no more than before.
    await build('ops');
    const { report } = await host(({ report: now }) => Object.keys(now.cacheBudgets ?? {}).length === 2);
    const parts = Object.values(report.cacheBudgets ?? {});
    expect(parts.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(3_200);
    for (const part of parts) expect(part).toBeGreaterThanOrEqual(100);
    await until(() => source.trimmed.find(([domain, toBytes]) => domain === WEB && toBytes < 3_000));
    await host(({ inventory }) => (inventory?.usedBytes ?? 0) < 3_000);
    expect(JSON.parse(await readFile(join(dir, 'layers.json.domains'), 'utf8'))).toHaveProperty([WEB, 'worth']);
  });

  test('gives up the caches of domains that there is no part for', async () => {
    for (let i = 0; i < 33; i++) source.volumes.set(`trusted team t${i}`, 1);
    await startHost({ shareEveryMs: 20 });
    await until(() => (source.volumes.size === 32 ? true : undefined));
    await build('web');
    await until(() => (source.volumes.size === 32 ? true : undefined));
    expect([...source.volumes.keys()]).toContain(WEB);
  });
});

describe('a host that serves one domain', () => {
  beforeEach(() => {
    source = new FakeSource(true);
  });

  test('is that of the first build, says so, and is given no others', async () => {
    await startHost();
    expect((await host(() => true)).serves).toBeUndefined();
    await build('web');
    expect((await host(({ serves }) => serves === WEB)).report).toMatchObject({ oneDomain: true, domain: WEB });
    expect((await assign('ops')).outcome).toBe('host_unfit');
    expect(await build('web')).toMatchObject({ state: 'succeeded' });
  });

  test('is that of the first build that it is given, before its worker can say so', async () => {
    await startHost();
    await assign('web');
    expect((await host(() => true)).serves).toBe(WEB);
    expect((await assign('ops')).outcome).toBe('host_unfit');
    expect((await assign('web')).outcome).toBe('assigned');
  });

  test('hands back a build that lost the race for the engine to another worker’s; nobody is blamed', async () => {
    await startHost();
    const id = await deliver('web');
    // Another worker of the same engine was faster.
    source.domain = OPS;
    const back = await ended(id, ({ state: now, attempts }) => now === 'queued' && attempts.length === 1);
    expect(back.attempts).toMatchObject([
      {
        failure: {
          code: 'host_taken',
          message: 'this host serves only trusted builds of team ops, and handed the build back',
        },
      },
    ]);
    expect(source.ran).toEqual([]);
    expect((await host(() => true)).serves).toBe(OPS);
    expect((await assign('web')).outcome).toBe('host_unfit');
    expect(pendingBuild((await state.builds.get(id)) ?? failNoBuild()).lostOn).toEqual([]);
  });
});

function failNoBuild(): never {
  throw new Error('no build');
}
