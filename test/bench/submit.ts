/**
 * `npm run bench:submit [-- --seconds N --senders N --json FILE]`: measures how many builds per second one API process accepts over HTTP, against
 * the jobs per second that BullMQ's `add` puts into the same Redis, alternating in one run. Senders, API and Redis share this machine's cores.
 */
import { writeFile } from 'node:fs/promises';
import { Agent, request as send } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { apiAlone } from './support/api-alone.ts';
import { median, ms, percentile, saveJson, say, table } from './support/report.ts';

const ROUNDS = 5;
const WARM_UP_SECONDS = 1;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    senders: { type: 'string', default: '32' },
    json: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const senders = Number(values.senders);
if (!(seconds > 0 && senders >= 1)) throw new RangeError('--seconds and --senders: expected numbers above 0');

/** The request that is posted, and that is added to the queue. Its host is an address, so that no name is resolved. */
const REQUEST = {
  source: { type: 'git', url: 'https://93.184.216.34/team/app.git', ref: 'main' },
  tags: ['registry.example.org/team/app:1'],
  output: { type: 'push' },
} as const;

interface Round {
  readonly perSecond: number;
  readonly latencies: readonly number[];
}

/** Runs `once` from all senders; each sends the next request when the last one is answered. */
async function round(once: () => Promise<void>, forSeconds: number): Promise<Round> {
  const latencies: number[] = [];
  const from = performance.now();
  const until = from + forSeconds * 1_000;
  await Promise.all(
    Array.from({ length: senders }, async () => {
      while (performance.now() < until) {
        const sentAt = performance.now();
        await once();
        latencies.push(performance.now() - sentAt);
      }
    }),
  );
  return { perSecond: latencies.length / ((performance.now() - from) / 1_000), latencies };
}

const limitsFile = join(tmpdir(), `kiln-bench-limits-${process.pid}.yaml`);
await writeFile(limitsFile, 'eachTeam: { queuedBuilds: unlimited }\n');
await using api = await apiAlone({ KILN_LIMITS_FILE: limitsFile });
const agent = new Agent({ keepAlive: true, maxSockets: senders });
const body = Buffer.from(JSON.stringify(REQUEST));
const headers = {
  authorization: `Bearer ${api.token}`,
  'content-type': 'application/json',
  'content-length': String(body.length),
};
const submit = () =>
  new Promise<void>((resolve, reject) => {
    const going = send(`${api.url}/v1/builds`, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      if (answer.statusCode === 202) answer.on('end', resolve);
      else reject(new Error(`status ${answer.statusCode}`));
    });
    going.on('error', reject);
    going.end(body);
  });

const connection = new Redis(api.redisPath, { maxRetriesPerRequest: null });
const queue = new Queue('bench', { connection });
const add = async () => {
  await queue.add('build', REQUEST, { attempts: 1, removeOnComplete: true, removeOnFail: true });
};

say(`${senders} senders, ${ROUNDS} rounds of ${seconds} s each way, ${cpus().length} cores for all processes`);
for (const once of [submit, add]) await round(once, WARM_UP_SECONDS);
const kiln: Round[] = [];
const bullmq: Round[] = [];
for (let i = 0; i < ROUNDS; i += 1) {
  bullmq.push(await round(add, seconds));
  kiln.push(await round(submit, seconds));
}
await queue.close();
connection.disconnect();
agent.destroy();

const rate = (rounds: readonly Round[]) => median(rounds.map(({ perSecond }) => perSecond));
const latency = (rounds: readonly Round[], percent: number) =>
  percentile(
    rounds.flatMap(({ latencies }) => latencies),
    percent,
  );
const row = (name: string, rounds: readonly Round[]) => [
  name,
  rate(rounds).toFixed(0),
  ms(latency(rounds, 50)),
  ms(latency(rounds, 99)),
];
say(
  table([
    ['', 'per second', 'median', 'p99'],
    row('builds accepted (POST /v1/builds)', kiln),
    row('jobs added (BullMQ add)', bullmq),
  ]),
);
const ratio = median(kiln.map(({ perSecond }, i) => perSecond / (bullmq[i]?.perSecond ?? Number.NaN)));
say(`ratio of accepted builds to added jobs: ${ratio.toFixed(2)} (median of the rounds)`);
await saveJson(values.json, {
  senders,
  cores: cpus().length,
  ratio,
  acceptedPerSecond: rate(kiln),
  addedPerSecond: rate(bullmq),
  acceptMs: { median: latency(kiln, 50), p99: latency(kiln, 99) },
});
