import { type ByteString, toBytes } from '@kiln/trees';

/** A path as calls of the file system take it. Text, which is faster, if it is in UTF-8 what the file system has. */
export type SystemPath = string | Uint8Array;

const ASCII = /^[\0-\x7f]*$/;
const SLASH = Buffer.from('/');

/** Joins a directory's path with a name in it. */
export function childPath(directory: SystemPath, name: ByteString): SystemPath {
  if (typeof directory === 'string' && ASCII.test(name)) return `${directory}/${name}`;
  return Buffer.concat([Buffer.from(directory as string), SLASH, toBytes(name)]);
}

/** Returns a path as text for people. */
export function shownPath(path: SystemPath): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}
