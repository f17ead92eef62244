import { createHash } from 'node:crypto';

export type KeyType = 'string' | 'hash' | 'set' | 'sorted set' | 'list' | 'stream';

/** What a key is, for which arguments it exists, and how long it lasts. */
export interface KeySpec<Args extends readonly unknown[] = readonly unknown[]> {
  /** The key without the pool's prefix. A `<name>` stands for the next argument, a `<digest of name>` for its digest. */
  readonly pattern: string;
  readonly type: KeyType;
  /** What it contains, in Markdown. */
  readonly holds: string;
  /** When it expires; absent: it stays until Kiln removes it. */
  readonly expires?: string;
  /** Never present: names the arguments of the function that makes the key. */
  readonly args?: Args;
}

type Define = <Args extends readonly (string | number)[] = []>(
  pattern: string,
  holds: string,
  expires?: string,
) => KeySpec<Args>;

function defining(type: KeyType): Define {
  return (pattern, holds, expires) => ({ pattern, type, holds, ...(expires !== undefined && { expires }) });
}

export const string = defining('string');
export const hash = defining('hash');
export const set = defining('set');
export const sortedSet = defining('sorted set');
export const list = defining('list');
export const stream = defining('stream');

export type KeyMaker<Spec> = Spec extends KeySpec<infer Args> ? (...args: Args) => string : never;

/** The function that makes the keys of a pattern. */
export function keyMaker(prefix: string, { pattern }: KeySpec): (...args: (string | number)[]) => string {
  const [head = '', ...rest] = pattern.split('<');
  const parts = rest.map((part) => {
    const [name = '', text = ''] = part.split('>');
    return { isDigest: name.startsWith('digest of '), text };
  });
  return (...args) =>
    parts.reduce((key, { isDigest, text }, i) => {
      const argument = String(args[i]);
      return `${key}${isDigest ? keyDigest(argument) : argument}${text}`;
    }, `${prefix}${head}`);
}

/** A digest of text that is too long, or too free, to be part of a key itself. */
export function keyDigest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 27);
}
