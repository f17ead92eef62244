/**
 * `npm run test:fuzz [-- --inputs N --seed N]`: throws inputs at an API (bodies, headers, paths, bytes that are no HTTP) and at what reads
 * webhooks, `.kiln.yaml` and tars. Exit code 1, with the smallest input that does it, where an answer is a 5xx or no problem document, where
 * something is thrown that nobody expects, or the process would have died.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startApiUnderTest } from './api-under-test.ts';
import { fuzz } from './run.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, inputs: { type: 'string', default: '100000' } } });
const whole = (name: string, text: string) => {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--${name}: expected a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
};
const seed = values.seed === undefined ? randomInt(1_000_000) : whole('seed', values.seed);
const inputs = whole('inputs', values.inputs);
const say = (text: string) => void process.stdout.write(`${text}\n`);

const uncaught: string[] = [];
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => void uncaught.push(error instanceof Error ? `${error.stack}` : String(error)));
}

say(`fuzz run of seed ${seed}, ${inputs} inputs; again with: npm run test:fuzz -- --seed ${seed} --inputs ${inputs}`);
await using api = await startApiUnderTest();
const reports = await fuzz(api, inputs, seed);
for (const { kind, inputs: count, seconds, outcomes, failure } of reports) {
  const seen = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, times]) => `${outcome}: ${times}`);
  say(`${kind.padEnd(10)} ${String(count).padStart(6)} inputs in ${seconds.toFixed(0)} s; ${seen.join(', ')}`);
  if (failure !== undefined) say(`\n${failure}\n`);
}
for (const fault of api.faults) say(`logged as a fault: ${fault.trim()}`);
for (const error of uncaught) say(`nobody caught: ${error}`);
const total = reports.reduce((sum, report) => sum + report.inputs, 0);
const isGood = reports.every(({ failure }) => failure === undefined) && api.faults.length + uncaught.length === 0;
say(isGood ? `${total} inputs: no 5xx, no crash, every refusal a problem document` : 'promises were broken');
process.exitCode = isGood ? 0 : 1;
