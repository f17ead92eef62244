import { byteString, fromBytes } from '../merkle/byte-string.ts';
import { type DirectoryObject, digestOf, encodeDirectory, INLINE_BYTES, inlineFiles } from '../merkle/directory.ts';
import type { TreePart } from '../merkle/parts-stream.ts';
import type { Digest, Entry } from '../merkle/tree-entry.ts';
import { TreePartMissing, type TreeReader, type WantedParts } from '../merkle/tree-reader.ts';

/** A tree by name: content, a mode with content, a link, or a directory. Names as text, or as bytes in Latin-1 after `bytes:`. */
export interface TestTree {
  readonly [name: string]: TestNode;
}

type TestNode =
  | string
  | Buffer
  | { readonly file: string | Buffer; readonly mode: number }
  | { readonly link: string }
  | { readonly dir: TestTree; readonly mode?: number };

/** Stores trees in memory. */
export class MemoryTrees implements TreeReader {
  readonly #directories = new Map<Digest, DirectoryObject>();
  readonly #files = new Map<Digest, Buffer>();
  /** What has been read, for tests of what needn't be. */
  readonly reads: WantedParts[] = [];

  /** Stores a tree and returns its digest. */
  put(tree: TestTree): Digest {
    const entries = Object.entries(tree).map(([key, node]): Entry => {
      const name = key.startsWith('bytes:') ? fromBytes(Buffer.from(key.slice(6), 'latin1')) : byteString(key);
      if (typeof node === 'string' || Buffer.isBuffer(node)) return this.#file(name, node, 0o644);
      if ('file' in node) return this.#file(name, node.file, node.mode);
      if ('link' in node) return { type: 'symlink', name, target: byteString(node.link) };
      return { type: 'directory', name, mode: node.mode ?? 0o755, digest: this.put(node.dir) };
    });
    const objects = encodeDirectory(entries);
    for (const object of objects) this.#directories.set(object.digest, object);
    return (objects.at(-1) as DirectoryObject).digest;
  }

  /** Stores a file on its own, such as one of times. */
  putFile(content: Buffer): Digest {
    const digest = digestOf(content);
    this.#files.set(digest, content);
    return digest;
  }

  async *read(wanted: WantedParts): AsyncGenerator<TreePart> {
    this.reads.push(wanted);
    for (const digest of wanted.directories) {
      const object = this.#directories.get(digest);
      if (!object) throw new TreePartMissing(digest);
      const content = Buffer.concat(inlineFiles(object.node).map((file) => this.#files.get(file.digest) as Buffer));
      yield { type: 'directory', object, content: chunks(content) };
    }
    for (const digest of wanted.files) {
      const content = this.#files.get(digest);
      if (!content) throw new TreePartMissing(digest);
      yield { type: 'file', digest, sizeBytes: content.length, offset: 0, content: chunks(content) };
    }
  }

  #file(name: Entry['name'], content: string | Buffer, mode: number): Entry {
    const bytes = Buffer.from(content);
    return { type: 'file', name, mode, sizeBytes: bytes.length, digest: this.putFile(bytes) };
  }
}

async function* chunks(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += INLINE_BYTES + 7) yield content.subarray(at, at + INLINE_BYTES + 7);
}
