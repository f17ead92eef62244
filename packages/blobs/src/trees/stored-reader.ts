import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  ByteReader,
  type Digest,
  type DirectoryObject,
  decodeDirectory,
  inlineFiles,
  TreeFault,
  type TreePart,
  TreePartMissing,
  type TreeReader,
  type WantedParts,
} from '@kiln/trees';
import pMap from 'p-map';
import type { BlobStore } from '../blob-store.ts';
import { StoreDamaged } from './errors.ts';
import { decodeHeader, HEADER_BYTES, type StoredHeader } from './stored-directory.ts';
import { type ObjectKind, objectKey } from './tree-keys.ts';

/** Blobs that are opened ahead of the one that is read: opening one takes a round trip in S3. */
const AHEAD = 8;
const LOOKUPS_AT_ONCE = 16;

/** Reads the objects of a team's trees from a blob store that this process can reach itself. */
export function storedTrees(blobs: Pick<BlobStore, 'open' | 'stat'>, team: string): TreeReader {
  return {
    async *read(wanted) {
      yield* await new StoredReader(blobs, team).parts(wanted);
    },
  };
}

/** Reads the objects of a team. A blob that isn't what its key says is an error of the store, not of the caller. */
export class StoredReader {
  readonly #blobs: Pick<BlobStore, 'open' | 'stat'>;
  readonly #team: string;

  constructor(blobs: Pick<BlobStore, 'open' | 'stat'>, team: string) {
    this.#blobs = blobs;
    this.#team = team;
  }

  /** Reads what precedes a directory; undefined if it isn't stored. */
  async header(digest: Digest): Promise<StoredHeader | undefined> {
    const stream = await this.#blobs.open(objectKey(this.#team, 'directory', digest), { end: HEADER_BYTES - 1 });
    if (!stream) return undefined;
    const bytes = await buffer(stream);
    return sound(digest, async () => decodeHeader(bytes));
  }

  /** Reads a directory without the content of its files; undefined if it isn't stored. */
  async directory(digest: Digest): Promise<DirectoryObject | undefined> {
    const stream = await this.#blobs.open(objectKey(this.#team, 'directory', digest));
    if (!stream) return undefined;
    try {
      await using from = new ByteReader(stream);
      return await readObject(from, digest);
    } finally {
      stream.destroy();
    }
  }

  /** Finds objects, and reads them one after the other, directories first. @throws TreePartMissing if one isn't stored, before any is read */
  async parts({ directories, files }: WantedParts): Promise<AsyncGenerator<TreePart>> {
    const wanted = [...wantedOf('directory', directories), ...wantedOf('file', files)];
    const found = await pMap(wanted, (one) => this.#find(one), { concurrency: LOOKUPS_AT_ONCE });
    return this.#read(found);
  }

  async *#read(found: readonly Found[]): AsyncGenerator<TreePart> {
    const rest = found.values();
    const ahead: Promise<Opened>[] = [];
    const openMore = () => {
      while (ahead.length < AHEAD) {
        const { value: next } = rest.next();
        if (!next) return;
        const opened = this.#open(next);
        // Thrown when it is its turn.
        opened.catch(() => {});
        ahead.push(opened);
      }
    };
    try {
      for (openMore(); ahead.length > 0; openMore()) {
        const opened = await (ahead.shift() as Promise<Opened>);
        try {
          yield await partOf(opened);
        } finally {
          opened.stream.destroy();
        }
      }
    } finally {
      for (const opened of ahead)
        opened.then(
          ({ stream }) => stream.destroy(),
          () => {},
        );
    }
  }

  async #find(wanted: Wanted): Promise<Found> {
    const info = await this.#blobs.stat(objectKey(this.#team, wanted.kind, wanted.digest));
    if (!info) throw new TreePartMissing(wanted.digest);
    return { ...wanted, sizeBytes: info.sizeBytes };
  }

  async #open(found: Found): Promise<Opened> {
    const stream = await this.#blobs.open(objectKey(this.#team, found.kind, found.digest));
    if (!stream) throw new TreePartMissing(found.digest);
    // The reader gets the same error; without this handler, an earlier one would end the process.
    stream.on('error', () => {});
    return { ...found, stream };
  }
}

interface Wanted {
  readonly kind: ObjectKind;
  readonly digest: Digest;
}

interface Found extends Wanted {
  readonly sizeBytes: number;
}

interface Opened extends Found {
  readonly stream: Readable;
}

function wantedOf(kind: ObjectKind, digests: readonly Digest[]): Wanted[] {
  return digests.map((digest) => ({ kind, digest }));
}

async function partOf({ kind, digest, stream, sizeBytes }: Opened): Promise<TreePart> {
  if (kind === 'file') return { type: 'file', digest, sizeBytes, offset: 0, content: stream };
  const from = new ByteReader(stream);
  const object = await readObject(from, digest);
  return { type: 'directory', object, content: from.stream(inlineBytes(object)) };
}

function inlineBytes({ node }: DirectoryObject): number {
  return inlineFiles(node).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

async function readObject(from: ByteReader, digest: Digest): Promise<DirectoryObject> {
  const { encodingBytes } = await sound(digest, async () => decodeHeader(await from.take(HEADER_BYTES)));
  const object = await sound(digest, async () => decodeDirectory(await from.take(encodingBytes)));
  if (object.digest !== digest) throw new StoreDamaged(digest, `content with the digest ${object.digest}`);
  return object;
}

/** Runs `read`, for which a faulty blob is a fault of the store. */
async function sound<T>(digest: Digest, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof TreeFault ? new StoreDamaged(digest, error.got) : error;
  }
}
