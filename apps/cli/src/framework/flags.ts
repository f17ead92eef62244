import { parseArgs } from 'node:util';
import { FlagError } from '../io/errors.ts';

/** One flag of a command. `bool` takes a value only as `--flag=false`, as docker's flags do. */
export interface FlagSpec {
  readonly kind: 'bool' | 'text' | 'list';
  readonly short?: string;
  /** Name of the value in the help. */
  readonly value?: string;
  /** Absent: known, but not shown in the help. */
  readonly help?: string;
}

export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** `bool`: undefined where it wasn't given. `list`: empty where it wasn't. */
export type FlagValues<T extends FlagTable> = {
  readonly [K in keyof T]: T[K]['kind'] extends 'bool'
    ? boolean | undefined
    : T[K]['kind'] extends 'list'
      ? readonly string[]
      : string | undefined;
};

export interface Parsed<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly operands: readonly string[];
}

/**
 * Parses as docker's command line does: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`, `-qf value`,
 * flags and operands in any order, `--` before operands only. The last one wins. Throws `UsageError`.
 */
export function parseFlags<T extends FlagTable>(args: readonly string[], table: T): Parsed<T> {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { kind, short }]) => [
      name,
      { type: kind === 'bool' ? ('boolean' as const) : ('string' as const), multiple: true, ...(short && { short }) },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, boolean | string | string[] | undefined> = Object.fromEntries(
    Object.entries(table).map(([name, { kind }]) => [name, kind === 'list' ? [] : undefined]),
  );
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (!spec) throw new FlagError(unknownFlag(token.rawName, Object.keys(table)));
    if (spec.kind === 'bool') {
      values[token.name] = readBoolean(token.rawName, token.value);
      continue;
    }
    if (token.value === undefined) throw new FlagError(`${token.rawName} needs a value`);
    const text = isShort(token.rawName) && token.inlineValue ? token.value.replace(/^=/, '') : token.value;
    if (spec.kind === 'list') (values[token.name] as string[]).push(text);
    else values[token.name] = text;
  }
  return { flags: values as FlagValues<T>, operands };
}

function isShort(rawName: string): boolean {
  return !rawName.startsWith('--');
}

/** The spellings that docker's flags take. */
function readBoolean(rawName: string, value: string | undefined): boolean {
  if (value === undefined || /^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new FlagError(`${rawName}=${value}: expected true or false`);
}

function unknownFlag(rawName: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name: `--${name}`, distance: editDistance(rawName, `--${name}`) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance)[0];
  return `unknown flag ${rawName}${near ? `; did you mean ${near.name}?` : ''}`;
}

/** Levenshtein distance. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
