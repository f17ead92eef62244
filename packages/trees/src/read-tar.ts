import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Extract, extract, type Header } from 'tar-stream';
import { decompressed } from './decompress.ts';
import { type EntryType, type GuardedEntry, HeaderGuard } from './header-guard.ts';
import { TarFault } from './tar-fault.ts';

export interface ReadTarOptions {
  /** Of the tar itself, decompressed. Default: no limit. */
  readonly maxBytes?: number;
  /** Values of extended attributes may hold any bytes; they aren't read. Default: false. */
  readonly allowBinaryAttributes?: boolean;
}

/** One entry of an archive, as its headers say; names not normalised. */
export interface TarEntry extends GuardedEntry {
  /** Permission bits, with those of set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  /** Since the epoch. */
  readonly mtimeMs: number;
  /** Of a file; to be read before the next entry is asked for, or left. */
  readonly content: AsyncIterable<Uint8Array>;
}

type Source = Extract extends AsyncIterable<infer E> ? E : never;

const LIBRARY_TYPES: Readonly<Record<Header['type'], EntryType | undefined>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'hardlink',
  'block-device': undefined,
  'character-device': undefined,
  fifo: undefined,
};

/**
 * Reads a tar, plain or gzipped: the only way into an archive. tar-stream parses; `HeaderGuard` sees every header before it does, and refuses
 * what could be read in two ways. Both must say the same of each entry. Whoever has taken the last entry has seen the whole archive, with its end.
 * @throws TarFault for whatever is wrong with the archive; whatever `bytes` throws, unchanged
 */
export async function* readTar(
  bytes: AsyncIterable<Uint8Array>,
  options: ReadTarOptions = {},
): AsyncGenerator<TarEntry> {
  const guarded: GuardedEntry[] = [];
  const guard = new HeaderGuard(
    { allowBinaryAttributes: options.allowBinaryAttributes ?? false },
    (entry) => void guarded.push(entry),
  );
  let failure: { readonly error: unknown } | undefined;
  async function* checked(): AsyncGenerator<Buffer> {
    let count = 0;
    const { maxBytes = Number.POSITIVE_INFINITY } = options;
    try {
      for await (const chunk of decompressed(bytes)) {
        count += chunk.length;
        if (count > maxBytes)
          throw new TarFault(`more than ${maxBytes} bytes when unpacked`, `at most ${maxBytes} bytes when unpacked`);
        guard.push(chunk);
        yield chunk;
      }
      if (count === 0) throw new TarFault('nothing', 'a tar or a gzipped tar');
      guard.end();
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  const tar = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
  const feeding = pipeline(Readable.from(checked(), { objectMode: true, highWaterMark: 1 }), tar);
  // The loop below meets the same error; this keeps it from counting as unhandled before it does.
  feeding.catch(() => {});
  const explained = (error: unknown): unknown => {
    if (failure) return failure.error;
    if (error instanceof TarFault) return error;
    return new TarFault(`an archive that cannot be read (${(error as Error).message})`, 'a tar or a gzipped tar');
  };
  async function* contentOf(source: Source): AsyncGenerator<Uint8Array> {
    try {
      yield* source as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw explained(error);
    }
  }
  try {
    for await (const source of tar) {
      yield { ...entryOf(source, guarded.shift()), content: contentOf(source) };
      source.resume();
    }
    await feeding;
  } catch (error) {
    throw explained(error);
  }
  if (guarded.length > 0) throw disagreement(guarded[0]?.name ?? '');
}

function entryOf(source: Source, guarded: GuardedEntry | undefined): Omit<TarEntry, 'content'> {
  const { name, type, size, linkname, mode, mtime, pax } = source.header;
  // A directory of before POSIX is a file to the library.
  const isSame =
    guarded !== undefined &&
    guarded.name === name &&
    guarded.target === (linkname ?? '') &&
    guarded.sizeBytes === size &&
    (guarded.type === LIBRARY_TYPES[type] || (guarded.type === 'directory' && type === 'file' && size === 0));
  if (!isSame) throw disagreement(name);
  if (!Number.isInteger(mode) || mode < 0) throw new TarFault('a mode that is not a number', 'an octal number', name);
  return { ...guarded, mode: mode & 0o7777, mtimeMs: timeOf(mtime, pax) };
}

/** Extended headers have fractions of seconds. What is no time is the epoch. */
function timeOf(mtime: Date, pax: unknown): number {
  const exact = Number((pax as Readonly<Record<string, string>> | null | undefined)?.mtime ?? Number.NaN) * 1000;
  const ms = Number.isFinite(exact) ? exact : mtime.getTime();
  return Math.abs(ms) <= MAX_TIME_MS ? ms : 0;
}

/** As `Date` has it. */
const MAX_TIME_MS = 8.64e15;

function disagreement(name: string): TarFault {
  return new TarFault('an entry that can be read in two ways', 'an archive with one reading', name);
}
