import {
  type Digest,
  type DirectoryNode,
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
    return {
      directories: directories.filter((digest) => !this.directories.has(digest)),
      files: files
        .filter((digest) => !this.files.has(digest))
        .map((digest) => ({ digest, storedBytes: this.beginnings.get(digest)?.length ?? 0 })),
    };
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
      const chunks: Uint8Array[] = [];
      for await (const chunk of part.content) chunks.push(chunk);
      let content = Buffer.concat(chunks);
      for (const { digest, sizeBytes } of inlineFiles(part.object.node)) {
        this.files.set(digest, content.subarray(0, sizeBytes));
        content = content.subarray(sizeBytes);
      }
      const { directories, files } = referencesOf(part.object.node);
      const absent = [
        ...directories.filter((digest) => !this.directories.has(digest)),
        ...files.filter(({ digest }) => !this.files.has(digest)).map(({ digest }) => digest),
      ];
      if (absent.length > 0) throw new Error(`${part.object.digest} came before ${absent.join()}`);
      this.directories.set(part.object.digest, part.object.node);
      stored.directories += 1;
    }
    return stored;
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
