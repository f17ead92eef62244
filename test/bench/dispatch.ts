/**
 * `npm run bench:dispatch [-- --builds N --hosts N --slots N --rounds N --json FILE]`: measures what dispatching costs. Builds whose executor
 * does nothing go from accept to their end through a real scheduler, real workers and a real Redis. Alternating with them in the same run, as
 * many jobs go through plain BullMQ: `add` to one queue per host, with a processor that does nothing. Fails only if a build does not succeed.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildRequest } from '@kiln/contracts';
import { isTerminal } from '@kiln/domain';
import { openState, type State } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { type EndedJobs, type HostsOrder, hostNames } from './support/dispatch-hosts.ts';
import { redisCpuMs } from './support/redis-cpu.ts';
import { median, ms, percentile, saveJson, say, table } from './support/report.ts';

const { values } = parseArgs({
  options: {
    builds: { type: 'string', default: '2000' },
    hosts: { type: 'string', default: '100' },
    slots: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const count = Number(values.builds);
const hosts = Number(values.hosts);
const slots = Number(values.slots);
const rounds = Number(values.rounds);
/** Rate of the builds in the second part of each round, at which none waits for a slot. */
const PACE_PER_SECOND = 50;
const PACED = 250;
const REPOS = 50;
const DIGEST = `sha256:${'0'.repeat(64)}`;

/** Submits one build or job, and waits until it has ended. Returns the time at which it started, ms since the epoch. */
type Submit = (index: number) => Promise<number>;

interface Figures {
  readonly perSecond: number;
  /** CPU time of Redis per build or job, ms, including the requests of hosts and schedulers in the meantime. */
  readonly redisCpu: number;
  /** Times from just before the submit to the start, ms. */
  readonly busy: readonly number[];
  readonly paced: readonly number[];
}

/** Measures the rate with as many builds at a time as there are slots, then the delay with builds at a fixed pace. */
async function measure(submit: Submit, redis: Redis): Promise<Figures> {
  const timed = async (index: number) => {
    const submittedAt = Date.now();
    return (await submit(index)) - submittedAt;
  };
  const busy: number[] = [];
  let next = 0;
  const cpuBefore = await redisCpuMs(redis);
  const startedAt = performance.now();
  const feed = async () => {
    while (next < count) busy.push(await timed(next++));
  };
  await Promise.all(Array.from({ length: hosts * slots }, feed));
  const perSecond = (count * 1000) / (performance.now() - startedAt);
  const redisCpu = ((await redisCpuMs(redis)) - cpuBefore) / count;
  const paced = await Promise.all(
    Array.from({ length: PACED }, async (_, i) => {
      await delay((i * 1000) / PACE_PER_SECOND);
      return await timed(count + i);
    }),
  );
  return { perSecond, redisCpu, busy, paced };
}

async function startHosts(order: HostsOrder): Promise<ChildProcess> {
  const child = fork(new URL('./support/dispatch-hosts.ts', import.meta.url));
  child.send(order);
  await once(child, 'message');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function startScheduler(redisUrl: string, namespace: string): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('../../apps/scheduler/src/main.ts', import.meta.url));
  const env = {
    ...process.env,
    KILN_REDIS_URL: redisUrl,
    KILN_NAMESPACE: namespace,
    KILN_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
    // Logging is not to be measured.
    KILN_LOG_LEVEL: 'error',
  };
  return spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Submits builds by `accept`, without the API's HTTP, and waits for the event of their end. */
function throughKiln(state: State): { submit: Submit; [Symbol.dispose](): void } {
  const waiting = new Map<string, () => void>();
  const heard = new Set<string>();
  const subscription = state.events.subscribe((event) => {
    if (event.type !== 'build' || !isTerminal(event.state)) return;
    const wake = waiting.get(event.id);
    if (wake) wake();
    else heard.add(event.id);
  });
  return {
    async submit(index) {
      const request = buildRequest.parse({ source: { type: 'upload', name: `r${index % REPOS}`, digest: DIGEST } });
      const spec = { ...request, secrets: [] };
      const { build } = await state.builds.accept({ repo: `r${index % REPOS}`, spec, secrets: {} });
      const { id } = build.record;
      if (!heard.delete(id)) await new Promise<void>((resolve) => waiting.set(id, resolve));
      waiting.delete(id);
      const record = (await state.builds.get(id))?.record;
      if (record?.state !== 'succeeded') throw new Error(`build ${id} ${record?.state}: ${record?.failure?.message}`);
      return record.attempts[0]?.startedAt ?? Number.NaN;
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}

function throughBullmq(queues: readonly Queue[], child: ChildProcess): Submit {
  const waiting = new Map<string, (startedAt: number) => void>();
  child.on('message', (ended: EndedJobs) => {
    for (const [id, startedAt] of ended) waiting.get(id)?.(startedAt);
  });
  return (index) =>
    new Promise((resolve, reject) => {
      const jobId = `job-${index}`;
      waiting.set(jobId, resolve);
      queues[index % queues.length]
        ?.add('run', { index }, { jobId, removeOnComplete: true, removeOnFail: true })
        .catch(reject);
    });
}

async function kilnRound(redis: TestRedis, namespace: string): Promise<Figures> {
  const state = await openState({
    redisUrl: redis.url,
    namespace,
    secretKey: Buffer.alloc(32, 1),
    onError: () => {},
  });
  const scheduler = await startScheduler(redis.url, namespace);
  const child = await startHosts({ kind: 'kiln', redisUrl: redis.url, namespace, hosts, slots });
  using way = throughKiln(state);
  await way.submit(0);
  const figures = await measure(way.submit, state.redis);
  await end(child);
  await end(scheduler);
  await state[Symbol.asyncDispose]();
  return figures;
}

async function bullmqRound(redis: TestRedis, namespace: string): Promise<Figures> {
  const connection = new Redis(redis.url.replace('unix://', ''), { maxRetriesPerRequest: null });
  const child = await startHosts({ kind: 'bullmq', redisUrl: redis.url, namespace, hosts, slots });
  const queues = hostNames(hosts).map((name) => new Queue(name, { connection, prefix: namespace }));
  const figures = await measure(throughBullmq(queues, child), connection);
  await end(child);
  await Promise.all(queues.map((queue) => queue.close()));
  connection.disconnect();
  return figures;
}

const kiln: Figures[] = [];
const bullmq: Figures[] = [];
{
  await using redis = await TestRedis.start();
  for (let round = 1; round <= rounds; round++) {
    kiln.push(await kilnRound(redis, `kiln-${round}`));
    bullmq.push(await bullmqRound(redis, `bullmq-${round}`));
    say(
      `  round ${round} of ${rounds}: ${kiln.at(-1)?.perSecond.toFixed(0)} builds/s, ${bullmq.at(-1)?.perSecond.toFixed(0)} jobs/s`,
    );
  }
}

const rate = (all: readonly Figures[]) => median(all.map(({ perSecond }) => perSecond));
const row = (name: string, all: readonly Figures[]) => [
  name,
  rate(all).toFixed(0),
  ms(median(all.map(({ redisCpu }) => redisCpu))),
  ...(['busy', 'paced'] as const).flatMap((part) => {
    const delays = all.flatMap((figures) => figures[part]);
    return [ms(percentile(delays, 50)), ms(percentile(delays, 99))];
  }),
];
say(
  `\n${count} builds that do nothing, ${hosts} hosts with ${slots} slots, as many builds at a time as slots; median of ${rounds} rounds, alternating\n`,
);
say(
  table([
    ['', 'per second', 'Redis CPU each', 'accept → start, p50', 'p99', `at ${PACE_PER_SECOND}/s: p50`, 'p99'],
    row('Kiln: accept → place → run → end', kiln),
    row('BullMQ: add → process', bullmq),
  ]),
);
say(`\n  Kiln's rate is ${(rate(kiln) / rate(bullmq)).toFixed(2)} times that of plain BullMQ`);
await saveJson(values.json, { builds: count, hosts, slots, kiln, bullmq });
process.exit();
