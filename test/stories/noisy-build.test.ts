import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { API_DEFAULTS, startApi } from '@kiln/api';
import { FsBlobStore } from '@kiln/blobs';
import { type BuildView, buildRequest, type LogRecord } from '@kiln/contracts';
import { limitDefaults, type Outcome } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { startScheduler } from '@kiln/scheduler';
import { Leadership, openState, type State } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { MemoryTrees } from '@kiln/trees/testing';
import { type ExecuteRequest, type Executor, startWorker } from '@kiln/worker';
import { fixedExecutors } from '@kiln/worker/testing';
import { expect, onTestFinished, test } from 'vitest';

const MIB = 1024 * 1024;
const MEMORY_BYTES = 12 * MIB;
/** Output of the noisy build: more than twice the memory of Redis. */
const PRINTED_BYTES = 26 * MIB;
const LINE = 'x'.repeat(4_000);
const POLL = { timeout: 60_000, interval: 50 };
const TOKEN = 'a-token-of-the-tests';
const LEASE = { leaseTtlMs: 10_000, syncEveryMs: 500, fenceMarginMs: 2_000 };
const log = createLogger({ app: 'test', level: 'silent' });

/** Prints `bytes` in every build, as fast as it is allowed to. */
class Printer implements Executor {
  readonly info = { driver: 'docker', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] } as const;
  readonly stopped: unknown[] = [];
  readonly printed = createHash('sha256');
  records = 0;
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  run = async ({ sink }: ExecuteRequest, signal: AbortSignal): Promise<Outcome> => {
    signal.addEventListener('abort', () => this.stopped.push(signal.reason));
    for (let bytes = 0; bytes < this.#bytes && !signal.aborted; bytes += LINE.length) {
      this.records += 1;
      const record: LogRecord = {
        ...{ t: 1, type: 'output', step: 1, stream: 'stdout' },
        data: `${this.records} ${LINE}\n`,
      };
      this.printed.update(record.data);
      await sink(record);
    }
    return { end: 'succeeded' };
  };

  extendFence = async (): Promise<void> => {};
  close = async (): Promise<void> => {};
}

interface Pool {
  readonly state: State;
  readonly urls: readonly string[];
  readonly loud: Printer;
  readonly quiet: Printer;
}

/** Starts two APIs, a scheduler, and a host for each label `role`, on a Redis whose memory is smaller than the output of one build. */
async function startPool(): Promise<Pool> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const redis = stack.use(await TestRedis.start({ maxMemoryBytes: MEMORY_BYTES }));
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-noisy-')), (path) =>
    rm(path, { recursive: true, force: true }),
  );
  const open = async () =>
    stack.use(
      await openState({ redisUrl: redis.url, namespace: 'p', secretKey: Buffer.alloc(32, 1), onError: () => {} }),
    );
  const urls: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    const state = await open();
    const outgoing = stack.use(
      new OutgoingGuard(NO_ALLOWED_HOSTS, async () => [{ address: '93.184.216.34', family: 4 }]),
    );
    const api = await startApi(
      { ...API_DEFAULTS, port: 0, tokens: [TOKEN], closeTimeoutMs: 1_000, logLingerMs: 0 },
      { ...state, outgoing, blobs: new FsBlobStore(dir), log },
    );
    stack.defer(() => api.close());
    urls.push(api.url);
  }
  const state = await open();
  const scheduler = startScheduler(
    { leaderTtlMs: 5_000, tickMs: 200, buildRetentionMs: 3_600_000, limits: limitDefaults() },
    { ...state, leadership: new Leadership(state.redis, state.keys, 's', 5_000), log },
  );
  stack.defer(() => scheduler.close());
  const [loud, quiet] = [new Printer(PRINTED_BYTES), new Printer(40_000)];
  for (const [role, executor] of Object.entries({ loud, quiet })) {
    const own = await open();
    const worker = await startWorker(
      { hostName: role, slots: 1, labels: { role }, ...LEASE },
      {
        ...own,
        executors: fixedExecutors([executor]),
        identity: { machine: role, incarnation: randomUUID() },
        trees: () => new MemoryTrees(),
        openContext: async () => Readable.from(['a tar']),
        outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
        storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
        log,
      },
    );
    stack.defer(() => worker.drain(0));
  }
  return { state, urls, loud, quiet };
}

test('a build that prints more than Redis can hold does not hold up other builds, and its log is whole', async () => {
  const { state, urls, loud, quiet } = await startPool();
  const at = (i: number) => urls[i % urls.length] ?? '';
  const call = (i: number, path: string, init: RequestInit = {}) =>
    fetch(at(i) + path, {
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    });
  const accept = async (team: string, role: string) => {
    const source = { type: 'upload', name: role, digest: `sha256:${'0'.repeat(64)}` } as const;
    const spec = { ...buildRequest.parse({ source, team, hostLabels: { role } }), secrets: [] };
    return (await state.builds.accept({ repo: role, spec, secrets: {} })).build.record.id;
  };
  let mostUsed = 0;
  const view = async (id: string, i = 0) => {
    const { usedBytes, level } = await state.memory.read({ logBytes: 1 });
    mostUsed = Math.max(mostUsed, usedBytes);
    expect(level).toBe('ok');
    return (await (await call(i, `/v1/builds/${id}`)).json()) as BuildView;
  };
  const endOf = async (id: string) => {
    const { state: end, attempts } = await view(id);
    return [end, attempts.length];
  };
  const noisy = await accept('ci', 'loud');
  await expect.poll(() => loud.records, POLL).toBeGreaterThan(500);

  // A host that is lost meanwhile.
  await state.hosts.sync(
    {
      ...{ name: 'dies', slots: 1, platforms: ['linux/amd64'], labels: { role: 'dies' }, driver: 'docker' },
      ...{ engineVersion: '1', buildxVersion: '1', accepting: true },
    },
    { machine: 'dies', incarnation: 'i' },
    1_500,
  );
  const lost = await accept('web', 'dies');

  for (let i = 0; i < 5; i += 1) {
    const id = await accept('web', 'quiet');
    await expect.poll(() => view(id, i), POLL).toHaveProperty('finishedAt');
    expect(await endOf(id)).toEqual(['succeeded', 1]);
  }
  await expect.poll(() => view(lost), POLL).toMatchObject({ state: 'queued', attempts: [{ host: 'dies' }] });
  expect((await view(noisy)).state).toBe('running');

  await expect.poll(() => view(noisy), POLL).toHaveProperty('finishedAt');
  expect(await endOf(noisy)).toEqual(['succeeded', 1]);
  expect([loud.stopped, quiet.stopped]).toEqual([[], []]);
  const answer = await call(1, `/v1/builds/${noisy}/logs?format=ndjson&follow=false`);
  const read = createHash('sha256');
  let records = 0;
  for await (const line of lines(answer)) {
    const record = JSON.parse(line) as LogRecord;
    if (record.type !== 'output') continue;
    records += 1;
    read.update(record.data);
  }
  expect([records, read.digest('hex')]).toEqual([loud.records, loud.printed.digest('hex')]);
  expect(mostUsed).toBeLessThan(0.8 * MEMORY_BYTES);
});

async function* lines(answer: Response): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of answer.body ?? []) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}
