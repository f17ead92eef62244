/**
 * `npm run bench:placement [-- --runs N --json FILE]`: measures what placement decisions cost, as CPU time of this process. Fails if a pass over
 * 10,000 builds and 1,000 hosts takes more than 50 ms, or one arrival there more than 1 ms.
 */
import { parseArgs } from 'node:util';
import { BenchPool } from './support/bench-pool.ts';
import { saveJson, say, table } from './support/report.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '7' }, json: { type: 'string' } } });
const runs = Math.max(3, Number(values.runs) || 0);

const PASS_LIMIT_MS = 50;
const ARRIVAL_LIMIT_MS = 1;
const EVENTS = 100;
/** Share of free slots in a pool that is nearly full: few builds can be placed, most are considered and wait. */
const NEARLY_FULL = 0.01;

interface Costs {
  readonly hosts: number;
  readonly pending: number;
  /** A pass in which all slots are free, without and with the reasons of each decision. */
  readonly idle: number;
  readonly explained: number;
  /** A pass over a pool that is nearly full, with reasons, as the leader makes it. */
  readonly full: number;
  /** The arrival of one build there, and below the end of one, each with the decisions that follow and their reasons. */
  readonly arrival: number;
  /** The arrival of one build while half of the slots are free and nothing else waits, likewise. */
  readonly placedArrival: number;
  readonly finish: number;
  /** Number of builds placed in the passes `idle` and `full`. */
  readonly placed: number;
  readonly placedFull: number;
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function once(hosts: number, pending: number, seed: number): Costs {
  const idle = new BenchPool({ hosts, pending, free: 1, seed });
  const busy = new BenchPool({ hosts, pending, free: NEARLY_FULL, seed });
  const roomy = new BenchPool({ hosts, pending: 0, free: 0.5, seed });
  let placed = 0;
  let placedFull = 0;
  const figures = {
    idle: cpuMs(() => {
      placed = idle.decide().length;
    }),
    explained: cpuMs(() => void idle.decide(true)),
    full: cpuMs(() => {
      const assignments = busy.decide(true);
      placedFull = assignments.length;
      busy.start(assignments);
    }),
    arrival:
      cpuMs(() => {
        for (let i = 0; i < EVENTS; i++) {
          busy.arrive();
          busy.start(busy.decide(true));
        }
      }) / EVENTS,
    placedArrival:
      cpuMs(() => {
        for (let i = 0; i < EVENTS; i++) {
          roomy.arrive();
          roomy.start(roomy.decide(true));
        }
      }) / EVENTS,
    finish:
      cpuMs(() => {
        for (let i = 0; i < EVENTS; i++) {
          busy.finish();
          busy.start(busy.decide(true));
        }
      }) / EVENTS,
  };
  return { hosts, pending, ...figures, placed, placedFull };
}

function measure(hosts: number, pending: number): Costs {
  const all = Array.from({ length: runs }, (_, seed) => once(hosts, pending, seed + 1));
  // The runs do nearly the same work: what makes one take longer is the machine.
  const of = (figure: keyof Costs) => Math.min(...all.map((one) => one[figure]));
  return {
    hosts,
    pending,
    idle: of('idle'),
    explained: of('explained'),
    full: of('full'),
    arrival: of('arrival'),
    placedArrival: of('placedArrival'),
    finish: of('finish'),
    placed: of('placed'),
    placedFull: of('placedFull'),
  };
}

function show(title: string, all: readonly Costs[]): void {
  const ms = (value: number) => value.toFixed(value < 1 ? 3 : 1);
  say(`\n${title}\n`);
  say(
    table([
      [
        'hosts',
        'pending',
        'all free',
        'placed',
        'with reasons',
        'nearly full',
        'placed',
        'arrival',
        'to a free slot',
        'finish',
      ],
      ...all.map((one) => [
        String(one.hosts),
        String(one.pending),
        ms(one.idle),
        String(one.placed),
        ms(one.explained),
        ms(one.full),
        String(one.placedFull),
        ms(one.arrival),
        ms(one.placedArrival),
        ms(one.finish),
      ]),
    ]),
  );
}

for (let i = 0; i < 3; i++) once(1_000, 10_000, 0); // Warm-up, because the compiler's time is not to be measured.
say(`CPU time, ms: minimum of ${runs} runs; arrival and finish include the decision that follows, mean of ${EVENTS}`);
const byHosts = [10, 30, 100, 300, 1_000].map((hosts) => measure(hosts, 10_000));
show('10,000 pending builds', byHosts);
const byPending = [100, 1_000, 10_000, 100_000].map((pending) => measure(1_000, pending));
show('1,000 hosts of 4 slots', byPending);
await saveJson(values.json, { byHosts, byPending });

const judged = byHosts.at(-1) as Costs;
const over = [
  ...(['idle', 'full'] as const)
    .filter((figure) => judged[figure] > PASS_LIMIT_MS)
    .map((figure) => `a pass (${figure})`),
  ...(['arrival', 'placedArrival'] as const)
    .filter((figure) => judged[figure] > ARRIVAL_LIMIT_MS)
    .map((figure) => `an arrival (${figure})`),
];
say(`\n  goal: a pass under ${PASS_LIMIT_MS} ms and an arrival under ${ARRIVAL_LIMIT_MS} ms at 10,000 × 1,000`);
if (over.length > 0) {
  say(`  missed by ${over.join(' and ')}`);
  process.exitCode = 1;
}
