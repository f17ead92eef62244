/** `npm run check:regexps [-- --all]`: checks every regular expression of the code, and records the linear ones. With `--all` it also checks the known ones again. */
import { check } from './check.ts';
import { collectRegexps, formatRegexps } from './collect.ts';
import { faultOf, formOf, keepLinear, knownLinear } from './verdicts.ts';

const TIMEOUT_MS = 120_000;

const isFresh = process.argv.includes('--all');
const known = isFresh ? new Set<string>() : knownLinear();
const linear = new Set<string>();
const faults: string[] = [];
const { regexps, formats } = collectRegexps();
for (const found of [...regexps, ...formatRegexps(formats)]) {
  const form = formOf(found);
  if (linear.has(form)) continue;
  if (known.has(form) || check(found, TIMEOUT_MS) === 'linear') linear.add(form);
  else {
    const fault = faultOf(found, linear, TIMEOUT_MS);
    if (fault !== undefined) faults.push(fault);
  }
}
keepLinear(linear);
for (const fault of faults) console.error(fault);
console.log(`${linear.size} regular expressions are linear, ${faults.length} must be changed`);
process.exitCode = faults.length === 0 ? 0 : 1;
