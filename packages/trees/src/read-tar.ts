import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Extract, extract, type Header } from 'tar-stream';
import { decompressed } from './decompress.ts';
import { type EntryType, type GuardedEntry, HeaderGuard } from './header-guard.ts';
import { TarFault } from './tar-fault.ts';

export interface ReadTarOptions {
  /** Limit of the decompressed tar. Default: none. */
  readonly maxBytes?: number;
  /** Whether values of extended attributes, which aren't read, may be any bytes. Default: false. */
  readonly allowBinaryAttributes?: boolean;
}

/** An entry of an archive according to its headers. Names aren't normalised. */
export interface TarEntry extends GuardedEntry {
  /** Permission bits, including set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  /** Ms since the epoch. */
  readonly mtimeMs: number;
  /** The same, ns since the epoch, exactly. */
  readonly mtimeNs: bigint;
  /** Content of a file. It is skipped unless it is read before the next entry. */
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
 * Reads a tar, plain or gzipped; nothing else in Kiln reads archives. tar-stream parses; before it, `HeaderGuard` checks every header and rejects
 * ambiguous ones. Both must agree on each entry. The iteration ends only after the whole archive, with its end, has been read.
 * @throws TarFault for anything wrong with the archive @throws whatever `bytes` throws
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
  // The loop below throws the same error; this keeps it from being an unhandled rejection before that.
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
  // The library reports a pre-POSIX directory as a file.
  const isSame =
    guarded !== undefined &&
    guarded.name === name &&
    guarded.target === (linkname ?? '') &&
    guarded.sizeBytes === size &&
    (guarded.type === LIBRARY_TYPES[type] || (guarded.type === 'directory' && type === 'file' && size === 0));
  if (!isSame) throw disagreement(name);
  if (!Number.isInteger(mode) || mode < 0) throw new TarFault('a mode that is not a number', 'an octal number', name);
  const given = (pax as Readonly<Record<string, string>> | null | undefined)?.mtime;
  const mtimeMs = timeOf(mtime, given);
  return {
    ...guarded,
    mode: mode & 0o7777,
    mtimeMs,
    mtimeNs: exactTime(given) ?? BigInt(Math.round(mtimeMs)) * NS_PER_MS,
  };
}

/** Returns the time, with fractions from an extended header. An invalid time becomes the epoch. */
function timeOf(mtime: Date, given: string | undefined): number {
  const exact = Number(given ?? Number.NaN) * 1000;
  const ms = Number.isFinite(exact) ? exact : mtime.getTime();
  return Math.abs(ms) <= MAX_TIME_MS ? ms : 0;
}

/** The limit of `Date`. */
const MAX_TIME_MS = 8.64e15;
const NS_PER_MS = 1_000_000n;
/** Seconds, up to the limit of 64 bits of ns, and their fraction. */
const SECONDS = /^(-?)(\d{1,9}|[1-8]\d{9})(?:\.(\d*))?$/;

/** Returns the ns of a time in an extended header; undefined if there is none in this form. */
function exactTime(given: string | undefined): bigint | undefined {
  const [, sign, seconds, fraction = ''] = SECONDS.exec(given ?? '') ?? [];
  if (seconds === undefined) return undefined;
  const ns = BigInt(seconds + fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

function disagreement(name: string): TarFault {
  return new TarFault('an entry that can be read in two ways', 'an archive with one reading', name);
}
