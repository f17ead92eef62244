import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';

const PAYLOADS = new URL('../../packages/forges/src/testing/payloads/', import.meta.url);

/** A recorded payload of a forge. */
export interface Recorded {
  readonly forge: string;
  readonly event: string;
  readonly json: unknown;
}

/** Every recorded payload of every forge. */
export const RECORDED: readonly Recorded[] = readdirSync(PAYLOADS).flatMap((forge) =>
  readdirSync(new URL(`${forge}/`, PAYLOADS)).map((file) => ({
    forge,
    event: file.replace(/[-.].*$/, ''),
    json: JSON.parse(readFileSync(new URL(`${forge}/${file}`, PAYLOADS), 'utf8')) as unknown,
  })),
);

/** Values that have broken parsers before. */
const ODD = [
  ...[
    '',
    ' ',
    '\u0000',
    '\ud800',
    '__proto__',
    'constructor',
    '../../etc/passwd',
    '%00',
    '$(x)',
    '-',
    '*',
    'a'.repeat(5_000),
  ],
  ...[
    null,
    true,
    -1,
    0,
    1e308,
    -0,
    Number.MAX_SAFE_INTEGER + 1,
    [],
    {},
    [[[[[[]]]]]],
    { __proto__: null, toString: 1 },
  ],
] as const;

export const odd = fc.oneof(
  fc.constantFrom<unknown>(...ODD),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary' }),
);

/** `value` with some of its parts removed or replaced, at any depth. */
export function mutated(value: unknown): fc.Arbitrary<unknown> {
  return fc
    .array(fc.record({ at: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 8 }), what: fc.option(odd) }), {
      maxLength: 3,
    })
    .map((changes) => {
      const copy: unknown = structuredClone(value);
      for (const { at, what } of changes) change(copy, at, what);
      return copy;
    });
}

function change(value: unknown, [step = 0, ...rest]: readonly number[], what: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const holder = value as Record<string, unknown>;
  const keys = Object.keys(holder);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return;
  const held = holder[key];
  if (rest.length > 0 && typeof held === 'object' && held !== null) change(held, rest, what);
  else if (what === null) delete holder[key];
  else holder[key] = what;
}

/** `text` with some of its characters removed or replaced, and others inserted. */
export function garbled(text: string): fc.Arbitrary<string> {
  const one = fc.record({
    at: fc.nat(text.length),
    length: fc.nat(20),
    put: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom('{', '[', '"', ': ', '\n', '- ', '&a', '*a', '!!', '<<: '),
    ),
  });
  return fc
    .array(one, { minLength: 1, maxLength: 5 })
    .map((cuts) => cuts.reduce((now, { at, length, put }) => now.slice(0, at) + put + now.slice(at + length), text));
}
