import { EXIT } from './exit-codes.ts';
import type { Io } from './output.ts';
import type { Column } from './table.ts';

/** Prints a JSON document, indented. */
export function printJson(io: Pick<Io, 'out'>, value: unknown): void {
  io.out.line(JSON.stringify(value, null, 2));
}

/** Prints rows as a table, as a JSON document `{ [key]: rows }`, or, if there are none, `none` on standard error. Returns the exit code. */
export async function printList<T>(
  io: Io,
  isJson: boolean | undefined,
  key: string,
  {
    rows,
    columns,
    none,
  }: { readonly rows: readonly T[]; readonly columns: readonly Column<T>[]; readonly none: string },
): Promise<number> {
  if (isJson) printJson(io, { [key]: rows });
  else if (rows.length > 0) io.out.write((await import('./table.ts')).renderTable(columns, rows, io.out));
  else io.err.line(`kiln: ${none}`);
  return EXIT.ok;
}
