import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { API_DEFAULTS, startApi } from '@kiln/api';
import { FsBlobStore } from '@kiln/blobs';
import { KilnClient, KilnProblem } from '@kiln/client';
import type { BuildRequestInput } from '@kiln/contracts';
import { isTerminal, limitDefaults, type Outcome } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { DEFAULT_SCHEDULER, startScheduler } from '@kiln/scheduler';
import { Leadership, openState, type State } from '@kiln/state';
import { MemoryTrees } from '@kiln/trees/testing';
import { type ExecuteRequest, type Executor, startWorker } from '@kiln/worker';
import { fixedExecutors } from '@kiln/worker/testing';
import { logFaults } from '../faults/audit-builds.ts';
import { until } from '../support/until.ts';
import { type Case, CountedFaults, type Role } from './counted-faults.ts';
import { Uploads } from './uploads.ts';

const TOKEN = 'a-token-of-these-tests';
const HOST = 'h1';
const COMMIT = 'c'.repeat(40);
const GIT = { type: 'git', url: 'https://git.example/app', ref: COMMIT } as const;
const LINES = 3;
/** A little longer than the worker collects records for a batch. */
const LINE_EVERY_MS = 26;
const LEASE = { leaseTtlMs: 5_000, syncEveryMs: 100, fenceMarginMs: 1_000 };
const END_MS = 40_000;
/** A call that a process makes periodically comes within this time. */
const BACKGROUND_MS = 500;

/**
 * How a build lives: `again`: its first attempt fails by the fault of its host, the second succeeds; `uploaded`: the same, of a context that is uploaded;
 * `canceled`; `lost`: its host's lease is lost.
 */
export const LIVES = ['again', 'uploaded', 'canceled', 'lost'] as const;
export type Life = (typeof LIVES)[number];

/** A pool of one API, one scheduler and one worker in this process, each with its own Redis connection, which can be made to fail. */
export class Lane implements AsyncDisposable {
  readonly faults: CountedFaults;
  /** Connected to Redis directly, not through a proxy. */
  readonly #state: State;
  readonly #client: KilnClient;
  readonly #executor: ScriptedExecutor;
  readonly #uploads: Uploads;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    faults: CountedFaults,
    state: State,
    client: KilnClient,
    executor: ScriptedExecutor,
    uploads: Uploads,
    stack: AsyncDisposableStack,
  ) {
    this.faults = faults;
    this.#state = state;
    this.#client = client;
    this.#executor = executor;
    this.#uploads = uploads;
    this.#stack = stack;
  }

  static async start(redisUrl: string, namespace: string): Promise<Lane> {
    await using stack = new AsyncDisposableStack();
    const faults = stack.use(await CountedFaults.start(redisUrl));
    const secretKey = Buffer.alloc(32, 1);
    const open = async (url: string) =>
      stack.use(await openState({ redisUrl: url, namespace, secretKey, onError: () => {} }));
    const log = createLogger({ app: 'test', level: 'silent' });
    const outgoing = stack.use(
      new OutgoingGuard(NO_ALLOWED_HOSTS, async () => [{ address: '93.184.216.34', family: 4 }]),
    );
    const own = await open(redisUrl);
    const of = (role: Role) => open(faults.proxies[role].url);
    const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-lane-')), (path) => rm(path, { recursive: true }));
    const limits = limitDefaults({ eachToken: { requestsPerMinute: 'unlimited' } });
    const times = { cancelWaitMs: 200, storeTimeoutMs: 1_000, closeTimeoutMs: 500 };
    const api = stack.adopt(
      await startApi(
        { ...API_DEFAULTS, ...times, limits, port: 0, tokens: [TOKEN] },
        { ...(await of('api')), outgoing, blobs: new FsBlobStore(dir), log },
      ),
      (running) => running.close(),
    );
    const ofScheduler = await of('scheduler');
    const leadership = new Leadership(ofScheduler.redis, ofScheduler.keys, 's1', 5_000);
    stack.adopt(
      startScheduler({ ...DEFAULT_SCHEDULER, tickMs: 50, limits }, { ...ofScheduler, leadership, log }),
      (running) => running.close(),
    );
    const executor = new ScriptedExecutor();
    const ofWorker = await of('worker');
    stack.adopt(
      await startWorker(
        { hostName: HOST, slots: 1, ...LEASE },
        {
          ...ofWorker,
          executors: fixedExecutors([executor]),
          identity: { machine: 'm1', incarnation: randomUUID() },
          trees: () => new MemoryTrees(),
          openContext: async () => undefined,
          storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
          outgoing,
          log,
        },
      ),
      (worker) => worker.drain(0),
    );
    const deps = {
      sleep: (ms: number) => delay(Math.min(ms, 50)),
      random: Math.random,
      now: () => performance.now(),
    };
    const client = new KilnClient({ url: api.url, token: TOKEN, deps });
    return new Lane(faults, own, client, executor, new Uploads(client, dir), stack.move());
  }

  /** Takes a build through its life while the armed call fails. Returns what is wrong afterwards, and whether the call failed at all. */
  async live(
    life: Life,
    armed?: Case,
  ): Promise<{ faults: string[]; happened: boolean; calls: ReturnType<CountedFaults['end']> }> {
    this.#executor.life = life;
    this.faults.begin(armed);
    let happened = false;
    void this.faults.happened.then(() => {
      happened = true;
    });
    const source = life === 'uploaded' ? await this.#uploads.upload() : GIT;
    const id = await this.#submit(source);
    if (life === 'canceled') await this.#cancel(id);
    if (life === 'lost') await this.#loseLease(id);
    const found: string[] = [];
    try {
      await until(`build ${id} ends`, async () => isTerminal((await this.#record(id)).state), END_MS);
      await until('its slot is free', async () => (await this.#state.hosts.get(HOST))?.held.length === 0, END_MS);
      // A call that processes make periodically may come only now; one that does not come is reported as missed.
      if (armed) await until('the fault happens', () => happened, BACKGROUND_MS).catch(() => {});
      await until('the burst of faults is over', () => this.faults.isQuiet, END_MS);
      const calls = this.faults.end();
      found.push(...(await this.#audit(id, life)));
      return { faults: found, happened, calls };
    } catch (error) {
      this.faults.end();
      const record = await this.#record(id);
      return { faults: [...found, `${error}: ${JSON.stringify(record)}`], happened, calls: [] };
    }
  }

  /** Submits as a client does that gets no answer: again, with the same idempotency key. */
  async #submit(source: BuildRequestInput['source']): Promise<string> {
    const idempotencyKey = randomUUID();
    const submit = async () => {
      try {
        return (await this.#client.submit({ source, secrets: { word: 'hunter22' } }, { idempotencyKey })).id;
      } catch (error) {
        if (error instanceof KilnProblem && error.problem.status < 500) throw error;
        return undefined;
      }
    };
    return await until('a build is accepted', submit, END_MS);
  }

  async #cancel(id: string): Promise<void> {
    await until('it runs', () => this.#executor.runs(id), END_MS);
    const cancel = async () => {
      try {
        await this.#client.cancel(id);
        return true;
      } catch (error) {
        if (error instanceof KilnProblem && error.problem.status < 500) return true;
        return undefined;
      }
    };
    await until('the cancel is accepted', cancel, END_MS);
  }

  /**
   * Removes the host's lease, as if Redis had forgotten it for a moment, until the leader has reclaimed what the host holds. The host renews
   * its lease all the time, and the lease of the next attempt must not be removed: so it is removed only while the record is unchanged.
   */
  async #loseLease(id: string): Promise<void> {
    const { redis, keys } = this.#state;
    await until('it runs', () => this.#executor.runs(id), END_MS);
    const isReclaimed = async () => {
      await redis.watch(keys.build(id));
      const isEnded = (await this.#record(id)).attempts[0]?.end !== undefined;
      const change = redis.multi();
      if (!isEnded) change.del(keys.hostLease(HOST));
      await change.exec();
      return isEnded;
    };
    await until('the build is reclaimed', isReclaimed, END_MS);
  }

  async #record(id: string) {
    const record = await this.#state.builds.record(id);
    if (!record) throw new Error(`build ${id} is gone`);
    return record;
  }

  async #audit(id: string, life: Life): Promise<string[]> {
    const record = await this.#record(id);
    const { redis, keys } = this.#state;
    const expected = life === 'canceled' ? 'canceled' : 'succeeded';
    const events = await redis.xrange(keys.events(), '-', '+');
    const ends = events.filter(
      ([, fields]) =>
        fields.includes(id) && /succeeded|failed|canceled/.test(fields[fields.indexOf('state') + 1] ?? ''),
    );
    const log = await Array.fromAsync(this.#client.followLog(id, { follow: false, giveUpAfterMs: END_MS }));
    const pending = await redis.zscore(keys.pending(), id);
    const tries = life === 'canceled' ? 1 : 2;
    return [
      ...(record.state === expected ? [] : [`${record.state} instead of ${expected}: ${JSON.stringify(record)}`]),
      ...(ends.length === 1 ? [] : [`ended ${ends.length} times`]),
      ...(pending === null ? [] : ['it is still pending']),
      ...(record.attempts.length === tries
        ? []
        : [`${record.attempts.length} attempts: ${JSON.stringify(record.attempts)}`]),
      ...(this.#executor.runs(id) ? ['it still runs'] : []),
      ...logFaults(log, record, LINES),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.faults.end();
    await this.#stack.disposeAsync();
  }
}

/** Prints some lines, which become several batches, and ends as the build's life requires. */
class ScriptedExecutor implements Executor {
  readonly info = { driver: 'docker', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] } as const;
  life: Life = 'again';
  readonly #running = new Set<string>();

  runs(id: string): boolean {
    return this.#running.has(id);
  }

  run = async ({ buildId, attempt, sink }: ExecuteRequest, signal: AbortSignal): Promise<Outcome> => {
    this.#running.add(buildId);
    try {
      for (let line = 1; line <= LINES; line++) {
        await sink({ t: line, type: 'output', step: 1, stream: 'stdout', data: `line ${line}\n` } as never);
        if (line < LINES) await delay(LINE_EVERY_MS);
      }
      if ((this.life === 'canceled' || this.life === 'lost') && attempt === 1) await aborted(signal);
      if (signal.reason === 'cancel') return { end: 'canceled', failure: { code: 'canceled', message: 'canceled' } };
      if (attempt > 1) return { end: 'succeeded' };
      return { end: 'failed', failure: { code: 'infrastructure', message: 'no active session' } };
    } finally {
      this.#running.delete(buildId);
    }
  };

  extendFence = async (): Promise<void> => {};
  close = async (): Promise<void> => {};
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
