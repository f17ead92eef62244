import type { Digest } from '@kiln/trees';

/** Prefix of everything that belongs to trees. */
export const TREES = 'trees';

/** Directories, with the content of their small files, or larger files. */
export type ObjectKind = 'directory' | 'file';

const LETTERS = { directory: 'd', file: 'f' } as const satisfies Record<ObjectKind, string>;
const KINDS: Readonly<Record<string, ObjectKind>> = { d: 'directory', f: 'file' };
const KEY = /^trees\/([a-z0-9-]+)\/([df])\/([0-9a-f]{2})\/([0-9a-f]{62})$/;
const PREFIX_CHARS = 'sha256:'.length;

/** Returns the key of an object of a team. Each team has its own, so that no team can find out or read what another one has stored. */
export function objectKey(team: string, kind: ObjectKind, digest: Digest): string {
  const hex = digest.slice(PREFIX_CHARS);
  return `${objectsPrefix(team, kind)}/${hex.slice(0, 2)}/${hex.slice(2)}`;
}

export function objectsPrefix(team: string, kind: ObjectKind): string {
  return `${TREES}/${team}/${LETTERS[kind]}`;
}

/** Returns what an `objectKey` names; undefined for other keys. */
export function objectOfKey(key: string): { team: string; kind: ObjectKind; digest: Digest } | undefined {
  const [, team, letter, head, tail] = KEY.exec(key) ?? [];
  const kind = letter === undefined ? undefined : KINDS[letter];
  return team === undefined || kind === undefined ? undefined : { team, kind, digest: `sha256:${head}${tail}` };
}
