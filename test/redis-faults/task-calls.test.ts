import { randomUUID } from 'node:crypto';
import { cacheNamespace } from '@kiln/buildkit';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { openState, type State } from '@kiln/state';
import { FaultyRedis, REDIS_FAULTS, type RedisFault, TestRedis } from '@kiln/state/testing';
import { MemoryTrees } from '@kiln/trees/testing';
import { startWorker } from '@kiln/worker';
import { CachingExecutor, fixedExecutors } from '@kiln/worker/testing';
import { expect, test } from 'vitest';
import { until } from '../support/until.ts';

const HOST = 'h1';
const REPO = 'app';
const MOUNT = `${cacheNamespace({ repo: REPO, team: 'default', scope: 'repo' })}//root/.npm`;
const BYTES = 60;
/** The calls of a task's life in a worker; the second claim finds no more tasks. */
const CALLS = ['claim-task 1', 'claim-task 2', 'progress-task 1', 'settle-task 1'] as const;
/** How long every call of the worker fails, from the armed call on, ms; 0: only that call. */
const BURSTS_MS = [0, 300] as const;
const LANES = 8;
const END_MS = 40_000;
const log = createLogger({ app: 'test', level: 'silent' });

type Case = {
  readonly call: (typeof CALLS)[number];
  readonly fault: RedisFault;
  readonly burstMs: (typeof BURSTS_MS)[number];
};

test('whichever Redis call of a host task fails, and however, the task is done, ends once, and leaves nothing open', async () => {
  await using redis = await TestRedis.start();
  await using stack = new AsyncDisposableStack();
  const cases = CALLS.flatMap((call) =>
    REDIS_FAULTS.flatMap((fault) => BURSTS_MS.map((burstMs): Case => ({ call, fault, burstMs }))),
  );
  const faults: string[] = [];
  const work = async (lane: TaskLane) => {
    for (let next = cases.shift(); next; next = cases.shift()) {
      const { call, fault, burstMs } = next;
      const found = await lane.live(next).catch((error: unknown) => [String(error)]);
      faults.push(...found.map((text) => `${fault} for ${burstMs} ms at ${call}: ${text}`));
    }
  };
  const lanes = await Promise.all(Array.from({ length: LANES }, (_, i) => TaskLane.start(redis.url, `tasks-${i}`)));
  for (const lane of lanes) stack.use(lane);
  await Promise.all(lanes.map(work));
  expect(faults).toEqual([]);
});

/** A worker whose Redis connection can be made to fail, on a host with one cache mount, which is in use for a moment. */
class TaskLane implements AsyncDisposable {
  readonly #state: State;
  readonly #executor: CachingExecutor;
  readonly #proxy: FaultyRedis;
  readonly #stack: AsyncDisposableStack;

  private constructor(state: State, executor: CachingExecutor, proxy: FaultyRedis, stack: AsyncDisposableStack) {
    this.#state = state;
    this.#executor = executor;
    this.#proxy = proxy;
    this.#stack = stack;
  }

  static async start(redisUrl: string, namespace: string): Promise<TaskLane> {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await FaultyRedis.start(redisUrl, { silenceMs: 60 }));
    const secretKey = Buffer.alloc(32, 1);
    const open = async (url: string) =>
      stack.use(await openState({ redisUrl: url, namespace, secretKey, onError: () => {} }));
    const own = await open(redisUrl);
    const executor = new CachingExecutor('trusted', 1_000);
    stack.adopt(
      await startWorker(
        { hostName: HOST, slots: 1, leaseTtlMs: 10_000, syncEveryMs: 50, fenceMarginMs: 1_000 },
        {
          ...(await open(proxy.url)),
          executors: fixedExecutors([executor]),
          identity: { machine: 'm1', incarnation: randomUUID() },
          trees: () => new MemoryTrees(),
          openContext: async () => undefined,
          storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
          outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
          log,
        },
      ),
      (worker) => worker.drain(0),
    );
    return new TaskLane(own, executor, proxy, stack.move());
  }

  /** Has the mount dropped while a call fails. @returns what is wrong afterwards */
  async live({ call, fault, burstMs }: Case): Promise<string[]> {
    const { tasks, redis, keys } = this.#state;
    this.#executor.mount(MOUNT, BYTES, true);
    const happened = this.#arm(call, fault, burstMs);
    const { id = '' } = (await tasks.create(HOST, { type: 'drop', repo: REPO })) ?? {};
    const noted = async () => (await tasks.get(id))?.progress?.note !== undefined || happened();
    await until('the task waits for the mount', noted, END_MS);
    this.#executor.mount(MOUNT, BYTES);
    const ended = async () => {
      const task = await tasks.get(id);
      return task?.endedAt === undefined ? undefined : task;
    };
    const task = await until('the task ends', ended, END_MS);
    await until('the call fails', happened, END_MS);
    const [again, open] = await Promise.all([tasks.get(id), redis.zcard(keys.hostTasks(HOST))]);
    return [
      ...(task.state === 'succeeded' ? [] : [`it ${task.state}: ${JSON.stringify(task.failure)}`]),
      ...(task.result?.freedBytes === BYTES ? [] : [`its result is ${JSON.stringify(task.result)}`]),
      ...(again?.endedAt === task.endedAt ? [] : ['it ended twice']),
      ...(open === 0 ? [] : [`${open} tasks are still open`]),
      ...(this.#executor.mounts.size === 0 ? [] : ['the mount is still there']),
    ];
  }

  /** Makes the worker's `nth` call of a name fail from now on. @returns whether it has */
  #arm(call: Case['call'], fault: RedisFault, burstMs: number): () => boolean {
    let seen = 0;
    let until: number | undefined;
    const [wanted, nth] = call.split(' ');
    this.#proxy.fault = ({ name }) => {
      if (until !== undefined) return performance.now() < until ? fault : undefined;
      if (name !== wanted) return undefined;
      seen += 1;
      if (seen !== Number(nth)) return undefined;
      until = performance.now() + burstMs;
      return fault;
    };
    return () => until !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#proxy.fault = () => undefined;
    await this.#stack.disposeAsync();
  }
}
