import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { BlobStore } from '@kiln/blobs';
import { type BuildSpec, buildSpec } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import { type ArchivedBuild, inOrder, type StoredDecision } from '@kiln/state';

const unpack = promisify(gunzip);

/** Everything that is kept of an ended build. */
export interface BuildDocument {
  readonly record: BuildRecord;
  readonly spec: BuildSpec;
  /** Oldest first. */
  readonly decisions: readonly StoredDecision[];
}

/** The document of an archived build is missing from the blob store, or can't be read. */
export class DocumentLost extends Error {
  readonly code = 'build_document_lost';
  constructor(id: string, blob: string, why: string, options?: ErrorOptions) {
    super(`the document of build ${id} cannot be read from blob ${blob}: ${why}`, options);
  }
}

/** Reads the documents of archived builds from the blob store. */
export class BuildDocuments {
  readonly #blobs: Pick<BlobStore, 'open'>;

  constructor(blobs: Pick<BlobStore, 'open'>) {
    this.#blobs = blobs;
  }

  /** @throws DocumentLost; the store's errors */
  async read(id: string, { blob, start, bytes }: ArchivedBuild): Promise<BuildDocument> {
    const stream = await this.#blobs.open(blob, { start, end: start + bytes - 1 });
    if (!stream) throw new DocumentLost(id, blob, 'no such blob');
    const packed = await buffer(stream);
    try {
      const { record, spec, decisions } = JSON.parse((await unpack(packed)).toString('utf8')) as BuildDocument;
      if (record.id !== id) throw new Error(`got the document of build ${record.id}`);
      return { record, spec: buildSpec.parse(spec), decisions: inOrder(decisions) };
    } catch (error) {
      throw new DocumentLost(id, blob, (error as Error).message, { cause: error });
    }
  }
}
