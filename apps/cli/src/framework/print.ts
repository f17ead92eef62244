import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';
import type { Column } from '../io/table.ts';
import { oneOf } from './flag-values.ts';
import type { FlagTable } from './flags.ts';

const FORMATS = ['json', 'yaml', 'wide', 'name'] as const;
type Format = (typeof FORMATS)[number] | 'text';

/** The flag of every command that lists or shows something. */
export const OUTPUT_FLAGS = {
  output: {
    kind: 'text',
    short: 'o',
    value: 'FORMAT',
    help: 'json, yaml, wide (all columns, nothing shortened) or name (only names or ids) (default: a table, or text)',
  },
} as const satisfies FlagTable;

/** What a command knows of `--json` and `-o`. */
export interface OutputFlags {
  readonly json: boolean | undefined;
  readonly output?: string | undefined;
}

/** Reads `--json` and `-o`. @throws UsageError */
export function outputFormat({ json, output }: OutputFlags): Format {
  if (output === undefined) return json ? 'json' : 'text';
  return oneOf('--output', output, FORMATS);
}

/** Prints a JSON document, indented. */
export function printJson(io: Pick<Io, 'out'>, value: unknown): void {
  io.out.line(JSON.stringify(value, null, 2));
}

/** Prints a YAML document. */
async function printYaml(io: Pick<Io, 'out'>, value: unknown): Promise<void> {
  const { stringify } = await import('yaml');
  // Without what JSON leaves out.
  io.out.write(stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0 }));
}

export interface Listed<T> {
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  /** The name or id of a row, by which other commands take it. */
  readonly name: (row: T) => string;
  /** What to say if there are no rows. */
  readonly none: string;
}

/** Prints rows as `-o` asks: as a table, as a document `{ [key]: rows }`, or their names; if there are none, `none` on standard error. Returns the exit code. @throws UsageError */
export async function printList<T>(
  io: Io,
  flags: OutputFlags,
  key: string,
  { rows, columns, name, none }: Listed<T>,
): Promise<number> {
  const format = outputFormat(flags);
  if (format === 'json') printJson(io, { [key]: rows });
  else if (format === 'yaml') await printYaml(io, { [key]: rows });
  else if (rows.length === 0) io.err.line(`kiln: ${none}`);
  else if (format === 'name') for (const row of rows) io.out.line(name(row));
  else {
    const { renderTable } = await import('../io/table.ts');
    io.out.write(renderTable(columns, rows, io.out, { isWide: format === 'wide' }));
  }
  return EXIT.ok;
}

/** Prints one thing as `-o` asks. `text` returns it for people, with a final line end. Returns the exit code. @throws UsageError */
export async function printOne(
  io: Io,
  flags: OutputFlags,
  {
    value,
    name,
    text,
  }: { readonly value: unknown; readonly name: string; readonly text: () => string | Promise<string> },
): Promise<number> {
  const format = outputFormat(flags);
  if (format === 'json') printJson(io, value);
  else if (format === 'yaml') await printYaml(io, value);
  else if (format === 'name') io.out.line(name);
  else io.out.write(await text());
  return EXIT.ok;
}
