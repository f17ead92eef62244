import type { KilnConfig } from '@kiln/contracts';
import { type ConfigProblem, InvalidConfig, parseConfig } from '@kiln/forges';
import { localCommand } from '../../framework/command.ts';
import { printJson } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { readText } from '../../io/read-file.ts';

export const CONFIG_FILE = '.kiln.yaml';

export const checkCommand = localCommand(
  {
    name: 'config check',
    synopsis: '[FILE]',
    summary: 'Validate a .kiln.yaml',
    description: `Report all problems of a ${CONFIG_FILE} with line and column. FILE is ${CONFIG_FILE} in the current directory by default; - is standard input.`,
    exitCodes: [
      ['0', 'the file is valid'],
      ['1', 'the file is not valid'],
    ],
    operands: [0, 1],
    flags: { json: { kind: 'bool', help: 'Print JSON' } },
  },
  async ({ flags, operands: [path = CONFIG_FILE], io }) => {
    const read = readConfig(await readText(path, io));
    const problems = 'problems' in read ? read.problems : [];
    if (flags.json) printJson(io, { file: path, valid: problems.length === 0, problems });
    else if ('problems' in read) io.err.write(problemLines(path, problems));
    else {
      const names = read.config.images.map(({ name }) => name);
      io.out.line(
        `${path} is valid; ${names.length === 1 ? '1 image' : `${names.length} images`}: ${names.join(', ')}`,
      );
    }
    return problems.length > 0 ? EXIT.invalid : EXIT.ok;
  },
);

type Read = { readonly config: KilnConfig } | { readonly problems: readonly ConfigProblem[] };

export function readConfig(text: string): Read {
  try {
    return { config: parseConfig(text) };
  } catch (error) {
    if (error instanceof InvalidConfig) return { problems: error.problems };
    throw error;
  }
}

/** Formats problems as `FILE:LINE:COLUMN: field: got …, expected …`, which editors and CI annotations understand. */
export function problemLines(path: string, problems: readonly ConfigProblem[]): string {
  return problems
    .map(
      ({ line, column, field, got, expected }) =>
        `${path}:${line}:${column}: ${field}: got ${got}, expected ${expected}\n`,
    )
    .join('');
}
