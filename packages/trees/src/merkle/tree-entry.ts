import type { ByteString } from './byte-string.ts';
import { shownBytes } from './byte-string.ts';
import { TreeFault } from './tree-fault.ts';

/** SHA-256 as `sha256:` and 64 hexadecimal digits. */
export type Digest = `sha256:${string}`;

export interface FileEntry {
  readonly type: 'file';
  readonly name: ByteString;
  /** Permission bits, including set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

export interface DirectoryEntry {
  readonly type: 'directory';
  readonly name: ByteString;
  readonly mode: number;
  /** Of the directory object: see `encodeDirectory`. */
  readonly digest: Digest;
}

/** A symbolic link. Its target may be anything: it is data, and never followed. */
export interface SymlinkEntry {
  readonly type: 'symlink';
  readonly name: ByteString;
  readonly target: ByteString;
}

export type Entry = FileEntry | DirectoryEntry | SymlinkEntry;

/** A directory: all of its entries, or, if it has very many, the directory objects that have a part of them each. */
export type DirectoryNode =
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | { readonly type: 'parts'; readonly parts: readonly Digest[] };

/** NAME_MAX. */
const MAX_NAME_BYTES = 255;
/** PATH_MAX without the final zero byte. */
const MAX_TARGET_BYTES = 4095;
const MAX_MODE = 0o7777;
/** SHA-256 of no bytes. */
const EMPTY_DIGEST = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Checks what no later stage may have to check again: that names name something in their directory. @throws TreeFault */
export function checkEntry(entry: Entry): void {
  const { name } = entry;
  const shown = shownBytes(name);
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name))
    throw new TreeFault(`the name ${JSON.stringify(shown)}`, 'a name without / and zero bytes, not . or ..');
  if (name.length > MAX_NAME_BYTES)
    throw new TreeFault(`a name of ${name.length} bytes`, `at most ${MAX_NAME_BYTES} bytes`, shown);
  if (entry.type === 'symlink') {
    const { length } = entry.target;
    if (length === 0 || length > MAX_TARGET_BYTES || entry.target.includes('\0'))
      throw new TreeFault(
        `a link target of ${length} bytes`,
        `1 to ${MAX_TARGET_BYTES} bytes, none of them zero`,
        shown,
      );
    return;
  }
  if (!Number.isInteger(entry.mode) || entry.mode < 0 || entry.mode > MAX_MODE)
    throw new TreeFault(`the mode ${entry.mode}`, 'permission bits up to 7777 (octal)', shown);
  if (entry.type === 'file' && !(Number.isSafeInteger(entry.sizeBytes) && entry.sizeBytes >= 0))
    throw new TreeFault(`a size of ${entry.sizeBytes} bytes`, 'a whole number of bytes', shown);
  // No content is ever sent that would show it to be wrong.
  if (entry.type === 'file' && entry.sizeBytes === 0 && entry.digest !== EMPTY_DIGEST)
    throw new TreeFault(`the digest ${entry.digest} of an empty file`, EMPTY_DIGEST, shown);
}
