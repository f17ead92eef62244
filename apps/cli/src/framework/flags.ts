import { parseArgs } from 'node:util';
import { FlagError } from '../io/errors.ts';
import { nearest } from './edit-distance.ts';

/** One flag of a command. `bool` takes a value only as `--flag=false`, like docker's flags. */
export interface FlagSpec {
  readonly kind: 'bool' | 'text' | 'list';
  /** Further values that a `bool` may have, as `--flag=value`. */
  readonly values?: readonly string[];
  readonly short?: string;
  /** Placeholder of the value in the help. */
  readonly value?: string;
  /** What the flag does. A flag without help is accepted, but hidden. */
  readonly help?: string;
}

export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** The values of the flags that were given. A `bool` or `text` that wasn't given is undefined, a `list` is empty. */
export type FlagValues<T extends FlagTable> = {
  readonly [K in keyof T]: T[K]['kind'] extends 'bool'
    ? boolean | undefined | (T[K] extends { readonly values: readonly (infer V)[] } ? V : never)
    : T[K]['kind'] extends 'list'
      ? readonly string[]
      : string | undefined;
};

export interface Parsed<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly operands: readonly string[];
}

/**
 * Parses a command line by docker's rules: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`, `-qf value`;
 * flags and operands in any order; only operands after `--`. If a flag is repeated, the last one wins.
 * @throws FlagError
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
      values[token.name] = readBoolean(token.rawName, token.value, spec.values);
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

/** Accepts the spellings of docker's flags. */
function readBoolean(rawName: string, value: string | undefined, more: readonly string[] = []): boolean | string {
  if (value !== undefined && more.includes(value)) return value;
  if (value === undefined || /^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new FlagError(
    `${rawName}=${value}: expected ${['true', 'false', ...more].join(', ').replace(/, (?=[^,]*$)/, ' or ')}`,
  );
}

function unknownFlag(rawName: string, known: readonly string[]): string {
  const meant = nearest(
    rawName,
    known.map((name) => `--${name}`),
  );
  return `unknown flag: ${rawName}${meant ? `; did you mean ${meant}?` : ''}`;
}
