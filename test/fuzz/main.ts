/**
 * `npm run test:fuzz [-- --inputs N --seed N]`: sends random inputs to an API (bodies, headers, paths, bytes that are not HTTP) and to the
 * parsers of webhooks, `.kiln.yaml` and tars. Exits with 1, and prints the smallest failing input, if a response is a 5xx or an error is not
 * a problem document, or if there is an unexpected or uncaught error.
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

say(
  `fuzz run with seed ${seed}, ${inputs} inputs; to repeat it: npm run test:fuzz -- --seed ${seed} --inputs ${inputs}`,
);
await using api = await startApiUnderTest();
const reports = await fuzz(api, inputs, seed);
for (const { kind, inputs: count, seconds, outcomes, failure } of reports) {
  const seen = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, times]) => `${outcome}: ${times}`);
  say(`${kind.padEnd(10)} ${String(count).padStart(6)} inputs in ${seconds.toFixed(0)} s; ${seen.join(', ')}`);
  if (failure !== undefined) say(`\n${failure}\n`);
}
for (const fault of api.faults) say(`logged as a fault: ${fault.trim()}`);
for (const error of uncaught) say(`uncaught: ${error}`);
const total = reports.reduce((sum, report) => sum + report.inputs, 0);
const isGood = reports.every(({ failure }) => failure === undefined) && api.faults.length + uncaught.length === 0;
say(isGood ? `${total} inputs: no 5xx, no crash, refused by problem documents only` : 'promises were broken');
process.exitCode = isGood ? 0 : 1;
