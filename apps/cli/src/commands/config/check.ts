import type { KilnConfig } from '@kiln/contracts';
import { type ConfigProblem, InvalidConfig, parseConfig } from '@kiln/forges';
import { runLocalCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { readText } from '../../io/read-file.ts';

export const CONFIG_FILE = '.kiln.yaml';

const SPEC = {
  usage: 'kiln config check [--json] [FILE]',
  about: `Names all that is wrong with a ${CONFIG_FILE} (default: the one here; - for standard input). Exit code: 0 right, 1 not.`,
  operands: [0, 1],
  flags: { json: { kind: 'bool', help: 'JSON on standard output' } },
} as const;

export function checkCommand(args: readonly string[], io: Io): Promise<number> {
  return runLocalCommand(SPEC, args, io, async ({ flags, operands: [path = CONFIG_FILE] }) => {
    const read = readConfig(await readText(path, io));
    if (flags.json) {
      const problems = 'problems' in read ? read.problems : [];
      io.out.line(JSON.stringify({ file: path, valid: problems.length === 0, problems }, null, 2));
    } else if ('problems' in read) io.err.write(problemLines(path, read.problems));
    else {
      const names = read.config.images.map(({ name }) => name);
      io.out.line(
        `${path}: right; ${names.length === 1 ? 'one image' : `${names.length} images`}: ${names.join(', ')}`,
      );
    }
    return 'problems' in read ? EXIT.invalid : EXIT.ok;
  });
}

type Read = { readonly config: KilnConfig } | { readonly problems: readonly ConfigProblem[] };

export function readConfig(text: string): Read {
  try {
    return { config: parseConfig(text) };
  } catch (error) {
    if (error instanceof InvalidConfig) return { problems: error.problems };
    throw error;
  }
}

/** `FILE:LINE:COLUMN: field: got …, expected …`, which editors and CI annotations understand. */
export function problemLines(path: string, problems: readonly ConfigProblem[]): string {
  return problems
    .map(
      ({ line, column, field, got, expected }) =>
        `${path}:${line}:${column}: ${field}: got ${got}, expected ${expected}\n`,
    )
    .join('');
}
