import { randomUUID } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { FsBlobStore } from '@kiln/blobs';
import { type KilnClient, KilnProblem } from '@kiln/client';
import { writeParts } from '@kiln/trees';
import { treeOf } from '@kiln/trees/testing';
import { until } from '../support/until.ts';

const GIVE_UP_MS = 40_000;
/** A file of all contexts. It is made old before each upload: replacing old objects takes a lock. */
const SHARED = 'shared '.repeat(10_000);

/** Uploads contexts as the command does: asks what is missing, sends it, and starts again after a fault. */
export class Uploads {
  readonly #client: KilnClient;
  readonly #dir: string;

  /** @param dir the directory of the blob store */
  constructor(client: KilnClient, dir: string) {
    this.#client = client;
    this.#dir = dir;
  }

  /** Uploads a new context. @throws KilnProblem if the API blames the client */
  async upload() {
    for await (const { key } of new FsBlobStore(this.#dir).list('trees')) await utimes(join(this.#dir, key), 0, 0);
    const { parts, root } = treeOf({ Dockerfile: `FROM scratch\nLABEL of=${randomUUID()}\n`, SHARED });
    const directories = parts.flatMap((part) => (part.type === 'directory' ? [part.object.digest] : []));
    const files = parts.flatMap((part) => (part.type === 'file' ? [part.digest] : []));
    const send = async () => {
      try {
        const missing = await this.#client.missingTreeParts({ directories, files });
        const lacks = new Set([...missing.directories, ...missing.files.map(({ digest }) => digest)]);
        if (lacks.size === 0) return true;
        const wanted = parts.filter((part) => lacks.has(part.type === 'file' ? part.digest : part.object.digest));
        await this.#client.sendTreeParts(writeParts(wanted));
      } catch (error) {
        if (error instanceof KilnProblem && error.problem.status < 500) throw error;
      }
      return undefined;
    };
    await until('the context is stored', send, GIVE_UP_MS);
    return { type: 'upload', name: 'app', digest: root } as const;
  }
}
