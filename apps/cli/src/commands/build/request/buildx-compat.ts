import { UsageError } from '../../../io/errors.ts';
import { IGNORED_FLAGS, REFUSED_FLAGS } from './build-flags.ts';

type Given = Readonly<Record<string, boolean | string | readonly string[] | undefined>>;

const IGNORED_WHY: Readonly<Record<string, string>> = {
  builder: 'Kiln chooses the host and its builder',
  'cache-from': 'the hosts keep the caches; --repo says whose to use',
  'cache-to': 'the hosts keep the caches; --repo says whose to use',
};

const REFUSED_WHY: Readonly<Record<string, string>> = {
  'build-context': 'a Kiln build has one context; put the other one into it, or COPY --from an image',
  call: 'Kiln only builds',
  check: 'Kiln only builds',
  network: 'RUN has the network of the host’s builder',
  'no-cache-filter': 'use --no-cache for the whole build',
  print: 'Kiln only builds',
  squash: 'BuildKit has no such thing; use a stage that copies',
  ssh: 'there is no agent to forward; give a key or a token with --secret',
};

/** Values that ask for what happens anyway. */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = {
  call: ['build'],
  network: ['default', ''],
  isolation: ['default', ''],
};

/** One line for each flag that is passed over. Throws `UsageError` at one that would have made another build. */
export function buildxWarnings(flags: Given): string[] {
  for (const name of Object.keys(REFUSED_FLAGS)) {
    const value = flags[name];
    if (!isGiven(value) || (typeof value === 'string' && DEFAULTS[name]?.includes(value))) continue;
    const why = REFUSED_WHY[name];
    throw new UsageError(
      `--${name}: Kiln has no such thing${why ? `: ${why}` : ', and without it this would be another build'}`,
    );
  }
  return Object.keys(IGNORED_FLAGS)
    .filter((name) => isGiven(flags[name]))
    .map(
      (name) => `--${name} has no meaning here and is passed over${IGNORED_WHY[name] ? `: ${IGNORED_WHY[name]}` : ''}`,
    );
}

function isGiven(value: Given[string]): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}
