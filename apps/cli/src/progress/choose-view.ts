import { UsageError } from '../io/errors.ts';
import type { Io } from '../io/output.ts';
import { JsonView, PlainView, type ProgressView, QuietView } from './view.ts';

export type ProgressMode = 'plain' | 'tty' | 'quiet' | 'rawjson' | 'json';

const MODES = ['auto', 'plain', 'tty', 'quiet', 'rawjson', 'none'] as const;

/** Chooses how to show progress, by the flags, $BUILDKIT_PROGRESS, and whether stderr is a terminal. @throws UsageError */
export function readMode(
  flags: {
    readonly progress: string | undefined;
    readonly quiet: boolean | undefined;
    readonly json: boolean | undefined;
  },
  { env, err }: Pick<Io, 'env' | 'err'>,
): ProgressMode {
  if (flags.quiet && flags.progress !== undefined && flags.progress !== 'quiet' && flags.progress !== 'auto') {
    throw new UsageError(`--quiet cannot be combined with --progress ${flags.progress}`);
  }
  if (flags.quiet) return 'quiet';
  if (flags.json && flags.progress === undefined) return 'json';
  const given = flags.progress ?? (env.BUILDKIT_PROGRESS || 'auto');
  const mode = MODES.find((known) => known === given);
  if (!mode)
    throw new UsageError(`--progress: got ${JSON.stringify(given)}, expected auto, plain, tty, quiet or rawjson`);
  if (mode === 'tty' && !err.isTerminal) throw new UsageError('--progress tty: standard error is not a terminal');
  if (mode === 'none') return 'quiet';
  if (mode === 'auto') return err.isTerminal && env.TERM !== 'dumb' ? 'tty' : 'plain';
  return mode;
}

export async function chooseView(mode: ProgressMode, { out, err, now }: Io): Promise<ProgressView> {
  switch (mode) {
    case 'json':
      return new JsonView(out, err);
    case 'rawjson':
      return new JsonView(err, err);
    case 'quiet':
      return new QuietView(err);
    case 'tty':
      // Loads tables of wide characters, which nothing but a terminal needs.
      return new (await import('./live-view.ts')).LiveView(err, now);
    case 'plain':
      return new PlainView(err);
  }
}
