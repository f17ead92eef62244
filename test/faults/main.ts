/**
 * `npm run test:faults [-- --seed N --builds N --clients N --calls each|first|none]`: builds on three real hosts while workers, hosts,
 * engines, schedulers, APIs and Redis are killed, frozen and cut off, and Redis answers with errors, as drawn from the seed. Then checks
 * everything that Kiln promises. Before that, in pools of one process, each Redis call in a build's life fails in each way. Exits with 1, and
 * prints the seed, the history and the evidence, if a promise was broken.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ms, percentile } from '../bench/support/report.ts';
import { failCalls } from '../redis-faults/redis-calls.ts';
import { startHosts } from '../support/hosts.ts';
import { runFaults } from './fault-run.ts';

/** Number of pools that run side by side while Redis calls fail. */
const LANES = 6;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    builds: { type: 'string', default: '300' },
    clients: { type: 'string', default: '8' },
    calls: { type: 'string', default: 'each' },
  },
});
const whole = (name: string, text: string) => {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--${name}: expected a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
};
const seed = values.seed === undefined ? randomInt(1_000_000) : whole('seed', values.seed);
const say = (text: string) => void process.stdout.write(`${text}\n`);

// Child processes end with this one only if it exits in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

if (values.calls === 'each' || values.calls === 'first') {
  const { happened, missed, faults: broken } = await failCalls({ which: values.calls, lanes: LANES, say });
  say(`${happened} calls to Redis failed, ${missed.length} were not made; ${broken.length} promises broken`);
  if (broken.length > 0) {
    say(broken.join('\n'));
    process.exit(1);
  }
} else if (values.calls !== 'none') {
  throw new RangeError(`--calls: expected each, first or none, got ${JSON.stringify(values.calls)}`);
}

say(`fault run with seed ${seed}; to repeat it: npm run test:faults -- --seed ${seed} --builds ${values.builds}`);
await using hosts = await startHosts('a', 'b', 'c');
const report = await runFaults({
  seed,
  hosts,
  builds: whole('builds', values.builds),
  clients: whole('clients', values.clients),
  say,
});
const { faults, history, builds, unlucky, seconds, lost, requestErrors, evidence } = report;
if (faults.length > 0) {
  say(
    `\nfaults inflicted\n${history.join('\n')}\n\nlogs\n${evidence.join('\n')}\n\nbroken promises (seed ${seed})\n${faults.join('\n')}`,
  );
}
const again = builds.filter(({ attempts }) => attempts.length > 1).length;
say(
  `\n${builds.length} builds, ${history.length} faults in ${seconds.toFixed(0)} s: ${again} took more than one attempt, ` +
    `${unlucky} ran out of attempts; ${faults.length === 0 ? 'every promise kept' : `${faults.length} promises broken`}`,
);
sayCounted('attempts lost', lost);
sayCounted('requests answered with 5xx', requestErrors);
const waits = builds.flatMap(({ attempts }) =>
  attempts.flatMap(({ assignedAt, startedAt }) => (startedAt === undefined ? [] : [startedAt - assignedAt])),
);
say(
  `  from assigned to started: ${ms(percentile(waits, 50))} at the median, ${ms(percentile(waits, 99))} at the 99th percentile`,
);
process.exitCode = faults.length === 0 ? 0 : 1;

/** How often each cause came, the most frequent first. */
function sayCounted(what: string, causes: readonly string[]): void {
  const counts = [...Map.groupBy(causes, (cause) => cause)].map(([cause, { length }]) => ({ cause, length }));
  for (const { cause, length } of counts.sort((a, b) => b.length - a.length)) say(`  ${length} ${what}, ${cause}`);
}
