import { quoted, TarFault } from './tar-fault.ts';

/** PATH_MAX without the final zero byte: the longest path of a system call. */
const MAX_PATH_BYTES = 4095;
/** NAME_MAX. */
const MAX_NAME_BYTES = 255;

/**
 * Normalises a path: without `.` and outer slashes; empty for the root.
 * @throws TarFault if it is absolute, has `..`, or is too long for a file system
 */
export function entryPath(entry: string, value: string, what: string): string {
  checkLength(entry, value, what);
  if (value.startsWith('/')) throw new TarFault(`${what} ${quoted(value)}`, 'a relative path', entry);
  const kept = pathParts(value);
  if (kept.includes('..')) throw new TarFault(`${what} ${quoted(value)}`, 'a path without ..', entry);
  const long = kept.find((part) => Buffer.byteLength(part) > MAX_NAME_BYTES);
  if (long !== undefined)
    throw new TarFault(`a name of ${Buffer.byteLength(long)} bytes`, `at most ${MAX_NAME_BYTES} bytes`, entry);
  return kept.join('/');
}

/** @throws TarFault if `value` is too long for a path */
export function checkLength(entry: string, value: string, what: string): void {
  const length = Buffer.byteLength(value);
  if (length > MAX_PATH_BYTES)
    throw new TarFault(`${what} of ${length} bytes`, `at most ${MAX_PATH_BYTES} bytes`, entry);
}

/** Splits a path into its parts, without empty ones and `.`. */
export function pathParts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** Returns the directory that contains `path`; empty for the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
