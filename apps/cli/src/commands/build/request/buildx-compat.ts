import { UsageError } from '../../../io/errors.ts';
import { type DecidedFlag, DOCKER_FLAGS, IGNORED_FLAGS, REFUSED_FLAGS, RENAMED_FLAGS } from './build-flags.ts';

type Given = Readonly<Record<string, boolean | string | readonly string[] | undefined>>;
type Decided = readonly (readonly [name: string, flag: DecidedFlag])[];

const IGNORED: Decided = Object.entries(IGNORED_FLAGS);
const REFUSED: Decided = Object.entries(REFUSED_FLAGS);

/** Returns a warning for each flag that is ignored. @throws UsageError for a flag that would change the result */
export function buildxWarnings(flags: Given): string[] {
  for (const [name, { harmless, why }] of REFUSED) {
    const value = flags[name];
    if (!isGiven(value) || (typeof value === 'string' && harmless?.includes(value))) continue;
    throw new UsageError(`--${name} is not supported: ${why}`);
  }
  return IGNORED.filter(([name]) => isGiven(flags[name])).map(([name, { why }]) => `--${name} is ignored: ${why}`);
}

function isGiven(value: Given[string]): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

/** Describes flags and why they have no effect, a row each, for a help page. */
export function decidedRows(flags: Readonly<Record<string, DecidedFlag>>): [name: string, why: string][] {
  return Object.entries(flags).map(([name, { short, why, harmless = [] }]) => {
    const values = harmless.filter((value) => value !== '').map((value) => `--${name}=${value} is accepted`);
    return [`${short ? `-${short}, ` : '    '}--${name}`, [why, ...values].join('; ')];
  });
}

/** What Kiln does with a flag of `docker buildx build`; undefined if it is not in the list. */
export function decisionOn(name: string): 'supported' | 'ignored' | 'refused' | 'renamed' | undefined {
  if (Object.hasOwn(DOCKER_FLAGS, name)) return 'supported';
  if (Object.hasOwn(IGNORED_FLAGS, name)) return 'ignored';
  if (Object.hasOwn(REFUSED_FLAGS, name)) return 'refused';
  return Object.hasOwn(RENAMED_FLAGS, name) ? 'renamed' : undefined;
}

/** Renders what Kiln does with each flag of `docker buildx build` as the rows of a Markdown table. */
export function buildxTable(): string {
  const names = Object.entries(DOCKER_FLAGS).map(
    ([name, flag]) => `\`${'short' in flag ? `-${flag.short} ` : ''}--${name}\``,
  );
  const rows = (flags: Readonly<Record<string, DecidedFlag>>, what: string) =>
    decidedRows(flags).map(([name, why]) => `| \`${name.trim().replace(',', '')}\` | ${what}: ${why} |`);
  return [
    '| flag | |',
    '| --- | --- |',
    `| ${names.join(' ')} | supported |`,
    ...Object.entries(RENAMED_FLAGS).map(([name, why]) => `| \`--${name}\` | another meaning: ${why} |`),
    ...rows(REFUSED_FLAGS, 'refused'),
    ...rows(IGNORED_FLAGS, 'ignored, with a warning'),
  ].join('\n');
}
