import {
  type Digest,
  type DirectoryNode,
  type DirectoryObject,
  entriesOf,
  INLINE_BYTES,
  inlineFiles,
  readParts,
  referencesOf,
  shownBytes,
} from '@kiln/trees';
import type { AskedParts, MissingAnswer } from '../context/sending/missing-parts.ts';

/** An entry of a stored tree. `text` is a file's content or a link's target. */
export interface StoredEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode?: number;
  readonly text?: string;
}

/** Keeps trees in memory by the API's rules: a directory is stored after all that it names. */
export class PartStore {
  readonly directories = new Map<Digest, DirectoryNode>();
  readonly files = new Map<Digest, Buffer>();
  /** Beginnings of files whose upload was cut off. */
  readonly beginnings = new Map<Digest, Buffer>();

  missing({ directories, files }: AskedParts): MissingAnswer {
    const absent = this.#absent({ directories, files });
    const withBeginning = (digest: Digest) => ({ digest, storedBytes: this.beginnings.get(digest)?.length ?? 0 });
    return { directories: absent.directories, files: absent.files.map(withBeginning) };
  }

  /** Stores a stream of parts. @throws TreeFault @throws Error for a directory before what it names */
  async store(stream: AsyncIterable<Uint8Array>): Promise<{ directories: number; files: number; bytes: number }> {
    const stored = { directories: 0, files: 0, bytes: 0 };
    for await (const part of readParts(stream)) {
      if (part.type === 'file') {
        const before = this.beginnings.get(part.digest)?.subarray(0, part.offset) ?? Buffer.alloc(0);
        if (before.length !== part.offset) throw new Error(`no ${part.offset} bytes of ${part.digest}`);
        const chunks: Uint8Array[] = [before];
        try {
          for await (const chunk of part.content) chunks.push(chunk);
        } catch (error) {
          this.beginnings.set(part.digest, Buffer.concat(chunks));
          throw error;
        }
        this.files.set(part.digest, Buffer.concat(chunks));
        stored.files += 1;
        stored.bytes += Buffer.concat(chunks).length;
        continue;
      }
      const { directories, files } = referencesOf(part.object.node);
      const content = Buffer.concat(await Array.fromAsync(part.content));
      const absent = this.#absent({ directories, files: files.map(({ digest }) => digest) });
      if (absent.directories.length + absent.files.length > 0)
        throw new Error(`${part.object.digest} came before ${[...absent.directories, ...absent.files].join()}`);
      this.#storeDirectory(part.object, content);
      stored.directories += 1;
    }
    return stored;
  }

  /** Stores a stream of parts in any order. Returns what they name that isn't stored. */
  async storeLoosely(stream: AsyncIterable<Uint8Array>): Promise<{ directories: Digest[]; files: Digest[] }> {
    const named = { directories: [] as Digest[], files: [] as Digest[] };
    for await (const part of readParts(stream)) {
      const content = Buffer.concat(await Array.fromAsync(part.content));
      if (part.type === 'file') this.files.set(part.digest, content);
      else this.#storeDirectory(part.object, content);
      if (part.type === 'file') continue;
      const { directories, files } = referencesOf(part.object.node);
      named.directories.push(...directories);
      named.files.push(...files.map(({ digest }) => digest));
    }
    return this.#absent(named);
  }

  /** Lists a stored tree, depth first. @throws Error for what isn't stored */
  async list(root: Digest, prefix = ''): Promise<StoredEntry[]> {
    const entries = await entriesOf(this.#node(root), async (digest) => this.#node(digest));
    const listed: StoredEntry[] = [];
    for (const entry of entries) {
      const path = `${prefix}${shownBytes(entry.name)}`;
      if (entry.type === 'symlink') listed.push({ path, type: 'symlink', text: shownBytes(entry.target) });
      else if (entry.type === 'file')
        listed.push({ path, type: 'file', mode: entry.mode, text: this.#content(entry.digest, entry.sizeBytes) });
      else {
        listed.push({ path, type: 'directory', mode: entry.mode });
        listed.push(...(await this.list(entry.digest, `${path}/`)));
      }
    }
    return listed;
  }

  #storeDirectory({ digest: directory, node }: DirectoryObject, content: Buffer): void {
    let at = 0;
    for (const { digest, sizeBytes } of inlineFiles(node)) {
      this.files.set(digest, content.subarray(at, at + sizeBytes));
      at += sizeBytes;
    }
    this.directories.set(directory, node);
  }

  #absent({ directories, files }: AskedParts): { directories: Digest[]; files: Digest[] } {
    return {
      directories: directories.filter((digest) => !this.directories.has(digest)),
      files: files.filter((digest) => !this.files.has(digest)),
    };
  }

  #node(digest: Digest): DirectoryNode {
    const node = this.directories.get(digest);
    if (!node) throw new Error(`${digest} isn't stored`);
    return node;
  }

  #content(digest: Digest, sizeBytes: number): string {
    if (sizeBytes === 0) return '';
    const content = this.files.get(digest);
    if (!content)
      throw new Error(`a file of ${sizeBytes} bytes isn't stored (more than ${INLINE_BYTES} have an object)`);
    return content.toString();
  }
}
