import { quoted, TarFault } from './tar-fault.ts';

/** As PATH_MAX has it, with the zero byte at its end: no system call takes more. */
const MAX_PATH_BYTES = 4095;
/** As NAME_MAX has it. */
const MAX_NAME_BYTES = 255;

/**
 * `value` normalised: relative, without `.` and outer slashes; empty for the root.
 * @throws TarFault where it is absolute, climbs, or is longer than a file system takes
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

/** @throws TarFault */
export function checkLength(entry: string, value: string, what: string): void {
  const length = Buffer.byteLength(value);
  if (length > MAX_PATH_BYTES)
    throw new TarFault(`${what} of ${length} bytes`, `at most ${MAX_PATH_BYTES} bytes`, entry);
}

/** Without empty parts and `.`. */
export function pathParts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** The directory that `path` is in; empty for the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
