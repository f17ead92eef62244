import { UsageError } from '../../../io/errors.ts';
import { csvFields } from './csv.ts';

/** What is asked about a Dockerfile. */
export interface CallPlan {
  readonly method: 'check' | 'outline' | 'targets';
  readonly format: 'text' | 'json';
  /** Whether warnings of a check make no difference to the exit code. */
  readonly ignoresStatus: boolean;
}

const METHODS = ['build', 'check', 'outline', 'targets'] as const;

/** Reads `--call`, its short form `--check`, and its older name `--print`, as buildx does. Returns undefined for a build. @throws UsageError */
export function planCall(flags: {
  readonly call: string | undefined;
  readonly check: boolean | undefined;
  readonly print: string | undefined;
}): CallPlan | undefined {
  const given = flags.call ?? flags.print;
  const flag = flags.call === undefined ? '--print' : '--call';
  if (flags.check && given !== undefined && given.split(',', 1)[0] !== 'check')
    throw new UsageError(`--check cannot be combined with ${flag} ${given}`);
  const text = given ?? (flags.check ? 'check' : undefined);
  return text === undefined ? undefined : parseCall(flag, text);
}

function parseCall(flag: string, text: string): CallPlan | undefined {
  let method: (typeof METHODS)[number] | undefined;
  let format: CallPlan['format'] = 'text';
  let ignoresStatus = false;
  for (const field of csvFields(flag, text)) {
    const [key = '', value] = field.split('=', 2);
    // buildx's first name of it.
    const name = key === 'lint' ? 'check' : key;
    const known = METHODS.find((one) => one === name);
    if (value === undefined && known && method === undefined) method = known;
    else if (key === 'format' && (value === 'text' || value === 'json')) format = value;
    else if (key === 'ignorestatus') ignoresStatus = value === undefined || /^(?:1|t|true)$/i.test(value);
    else throw wrong(flag, text, `got ${JSON.stringify(field)}, `);
  }
  if (method === undefined) throw wrong(flag, text);
  return method === 'build' ? undefined : { method, format, ignoresStatus };
}

function wrong(flag: string, text: string, got = ''): UsageError {
  const expected = `${METHODS.join(', ')}, and format=text, format=json or ignorestatus=true`;
  return new UsageError(`${flag} ${text}: ${got}expected ${expected}`);
}

/** Returns how many warnings a check has found, by what buildx has printed. The check of a Dockerfile that has errors fails instead. */
export function warningsIn(printed: string, format: CallPlan['format']): number {
  if (format === 'text') return Number(/^Check complete, (\d+) warnings? ha/.exec(printed)?.[1] ?? 0);
  const { warnings } = JSON.parse(printed) as { warnings?: unknown };
  return Array.isArray(warnings) ? warnings.length : 0;
}
