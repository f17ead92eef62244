import { UsageError } from '../../../io/errors.ts';
import { IGNORED_FLAGS, REFUSED_FLAGS } from './build-flags.ts';

type Given = Readonly<Record<string, boolean | string | readonly string[] | undefined>>;

const IGNORED_WHY: Readonly<Record<string, string>> = {
  builder: 'Kiln chooses the host and its builder',
};

const REFUSED_WHY: Readonly<Record<string, string>> = {
  call: 'only builds are supported',
  check: 'only builds are supported',
  network: 'RUN steps use the network of the host’s builder',
  'no-cache-filter': 'use --no-cache for the whole build',
  print: 'only builds are supported',
  squash: 'BuildKit does not support it; use a stage that copies the files',
  ssh: 'there is no agent to forward; pass a key or token with --secret',
};

/** Values that request the default behaviour. */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = {
  call: ['build'],
  network: ['default', ''],
  isolation: ['default', ''],
};

/** Returns a warning for each flag that is ignored. @throws UsageError for a flag that would change the result */
export function buildxWarnings(flags: Given): string[] {
  for (const name of Object.keys(REFUSED_FLAGS)) {
    const value = flags[name];
    if (!isGiven(value) || (typeof value === 'string' && DEFAULTS[name]?.includes(value))) continue;
    const why = REFUSED_WHY[name];
    throw new UsageError(`--${name} is not supported${why ? `: ${why}` : ', and the result would differ without it'}`);
  }
  return Object.keys(IGNORED_FLAGS)
    .filter((name) => isGiven(flags[name]))
    .map(
      (name) => `--${name} is ignored${IGNORED_WHY[name] ? `: ${IGNORED_WHY[name]}` : ': it does not apply to Kiln'}`,
    );
}

function isGiven(value: Given[string]): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}
