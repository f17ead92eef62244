/**
 * The hosts of the dispatch benchmark, in their own process: fork it, send a `HostsOrder`, and receive `'ready'`. Kiln's hosts are real workers
 * with an executor that does nothing. The peer's are plain BullMQ workers with a processor that does nothing; the parent is sent the end of
 * each job.
 */
import { Readable } from 'node:stream';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { openState } from '@kiln/state';
import { MemoryTrees } from '@kiln/trees/testing';
import { type Executor, startWorker } from '@kiln/worker';
import { fixedExecutors } from '@kiln/worker/testing';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

export interface HostsOrder {
  readonly kind: 'kiln' | 'bullmq';
  readonly redisUrl: string;
  /** Namespace of Kiln, or prefix of the peer's queues. */
  readonly namespace: string;
  readonly hosts: number;
  readonly slots: number;
}

/** Ids of the peer's jobs that have ended, each with the time at which it started, ms since the epoch. */
export type EndedJobs = readonly (readonly [id: string, startedAt: number])[];

export const hostNames = (count: number) => Array.from({ length: count }, (_, i) => `h${i + 1}`);

const TELL_EVERY_MS = 5;

const idle: Executor = {
  info: { driver: 'docker', engineVersion: '0', buildxVersion: '0', platforms: ['linux/amd64'] },
  run: async () => ({ end: 'succeeded' }),
  extendFence: async () => {},
  close: async () => {},
};

async function kilnHosts({ redisUrl, namespace, hosts, slots }: HostsOrder): Promise<void> {
  const state = await openState({ redisUrl, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  const log = createLogger({ app: 'bench', level: 'silent' });
  await Promise.all(
    hostNames(hosts).map((hostName) =>
      startWorker(
        { hostName, slots, leaseTtlMs: 30_000, syncEveryMs: 3_000, fenceMarginMs: 4_000 },
        {
          ...state,
          executors: fixedExecutors([idle]),
          identity: { machine: hostName, incarnation: hostName },
          trees: () => new MemoryTrees(),
          openContext: async () => Readable.from([]),
          outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
          storeArtifact: async () => ({ digest: '', sizeBytes: 0 }),
          log,
        },
      ),
    ),
  );
}

async function bullmqHosts({ redisUrl, namespace, hosts, slots }: HostsOrder): Promise<void> {
  const connection = new Redis(redisUrl.replace('unix://', ''), { maxRetriesPerRequest: null });
  let ended: [string, number][] = [];
  setInterval(() => {
    if (ended.length > 0) process.send?.(ended satisfies EndedJobs);
    ended = [];
  }, TELL_EVERY_MS);
  const workers = hostNames(hosts).map((name) => {
    const begun = new Map<string, number>();
    const worker = new Worker(name, async ({ id = '' }) => void begun.set(id, Date.now()), {
      connection,
      prefix: namespace,
      concurrency: slots,
    });
    worker.on('completed', ({ id = '' }) => {
      ended.push([id, begun.get(id) ?? Number.NaN]);
      begun.delete(id);
    });
    return worker.waitUntilReady();
  });
  await Promise.all(workers);
}

process.once('message', async (order: HostsOrder) => {
  await (order.kind === 'kiln' ? kilnHosts(order) : bullmqHosts(order));
  process.send?.('ready');
});
