import { open, rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type MultipartUpload,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { batches } from '../batches.ts';
import {
  type BlobInfo,
  type BlobRange,
  type BlobStore,
  checkKey,
  checkRange,
  type ListedBlob,
  type StoredBlob,
} from '../blob-store.ts';
import { Measure } from '../measure.ts';
import { Spool } from '../spool.ts';
import { s3Client } from './s3-client.ts';
import { renewObject } from './s3-copy.ts';
import { asUnavailable, isMissing, statusOf } from './s3-errors.ts';
import { S3_LIMITS, type S3Limits, type S3Options } from './s3-options.ts';
import { readObject, type S3Object } from './s3-read.ts';

/** Parts of one upload that are sent at once. */
const PARTS_AT_ONCE = 2;
/** S3's limit. */
const MAX_PARTS = 10_000;
/**
 * Objects that are deleted at once, by a request for each: a request for many needs a checksum in the form that the store expects, and some
 * stores have no such request.
 */
const DELETES_AT_ONCE = 16;

const NOT_IMPLEMENTED = 501;

/**
 * Blobs as objects in an S3-compatible store. An object appears when its upload is complete. Every error of the store is thrown as
 * `BlobStoreUnavailable`.
 */
export class S3BlobStore implements BlobStore, AsyncDisposable {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #spool: Spool;
  readonly #limits: S3Limits;

  constructor(options: S3Options) {
    this.#limits = { ...S3_LIMITS, ...options.limits };
    this.#client = s3Client(options, this.#limits);
    this.#bucket = options.bucket;
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`;
    this.#spool = new Spool(options.spoolDir);
  }

  tempPath(): Promise<string> {
    return this.#spool.newPath();
  }

  async adopt(tempPath: string, key: string): Promise<void> {
    checkKey(key);
    const { size } = await stat(tempPath);
    await using file = await open(tempPath);
    await this.#upload(key, file.createReadStream({ autoClose: false }), size);
    await rm(tempPath, { force: true });
  }

  async put(key: string, content: Readable): Promise<StoredBlob> {
    checkKey(key);
    const measure = new Measure();
    const passing = pipeline(content, measure);
    // If the upload fails, it ends `measure` and so `content`; if `content` fails, the upload does too, for that reason.
    const [uploaded, passed] = await Promise.allSettled([
      this.#upload(key, measure).catch((error: unknown) => {
        measure.destroy();
        throw error;
      }),
      passing,
    ]);
    if (passed.status === 'rejected' && content.errored) throw content.errored;
    if (uploaded.status === 'rejected') throw uploaded.reason;
    if (passed.status === 'rejected') throw passed.reason;
    return measure.result();
  }

  async open(key: string, range: BlobRange = {}): Promise<Readable | undefined> {
    checkRange(range);
    return readObject(this.#object(key), range);
  }

  async stat(key: string): Promise<BlobInfo | undefined> {
    const { bucket, key: Key } = this.#object(key);
    try {
      const { ContentLength, LastModified } = await this.#client.send(
        new HeadObjectCommand({ Bucket: bucket, Key }),
        this.#within(),
      );
      return infoOf(ContentLength, LastModified);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw asUnavailable(error, `looking for blob ${key}`);
    }
  }

  async touch(key: string, unusedMs: number): Promise<BlobInfo | undefined> {
    const info = await this.stat(key);
    if (!info || Date.now() - info.usedAt <= unusedMs) return info;
    try {
      await renewObject(this.#object(key), info.sizeBytes, this.#limits.copyPartBytes);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw asUnavailable(error, `noting the use of blob ${key}`);
    }
    return this.stat(key);
  }

  async delete(key: string): Promise<void> {
    const { bucket, key: Key } = this.#object(key);
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key }), this.#within());
    } catch (error) {
      if (!isMissing(error)) throw asUnavailable(error, `deleting blob ${key}`);
    }
  }

  async deleteMany(keys: Iterable<string>): Promise<void> {
    for (const some of batches(keys, DELETES_AT_ONCE)) await Promise.all(some.map((key) => this.delete(key)));
  }

  async *list(prefix: string): AsyncGenerator<ListedBlob> {
    const { bucket, key } = this.#object(prefix);
    const { pageKeys } = this.#limits;
    const pages = paginateListObjectsV2(
      { client: this.#client, pageSize: pageKeys },
      { Bucket: bucket, Prefix: `${key}/` },
    );
    try {
      for await (const { Contents = [] } of pages) {
        for (const { Key = '', Size, LastModified } of Contents) {
          yield { key: Key.slice(this.#prefix.length), ...infoOf(Size, LastModified) };
        }
      }
    } catch (error) {
      throw asUnavailable(error, `listing the blobs below ${prefix}`);
    }
  }

  async deleteLeftovers(before: number): Promise<number> {
    let deleted = await this.#spool.deleteOld(before);
    const Bucket = this.#bucket;
    try {
      for await (const { Key, UploadId, Initiated } of this.#uploads()) {
        if (Initiated === undefined || Initiated.getTime() >= before) continue;
        await this.#client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
        deleted += 1;
      }
    } catch (error) {
      // A store that can't list them has to abort them by a rule of its own.
      if (statusOf(error) === NOT_IMPLEMENTED) return deleted;
      throw asUnavailable(error, 'deleting leftovers of uploads');
    }
    return deleted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
  }

  /** Uploads that are neither complete nor aborted. The SDK has no paginator for them. */
  async *#uploads(): AsyncGenerator<MultipartUpload> {
    let from = {};
    for (;;) {
      const page = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: this.#prefix, ...from }),
      );
      yield* page.Uploads ?? [];
      if (!page.IsTruncated || page.NextKeyMarker === undefined) return;
      from = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
  }

  async #upload(key: string, Body: Readable, sizeBytes = 0): Promise<void> {
    const { bucket, key: Key } = this.#object(key);
    const partSize = Math.max(this.#limits.partBytes, Math.ceil(sizeBytes / MAX_PARTS));
    const upload = new Upload({
      client: this.#client,
      params: { Bucket: bucket, Key, Body },
      partSize,
      queueSize: PARTS_AT_ONCE,
    });
    try {
      await upload.done();
    } catch (error) {
      throw asUnavailable(error, `storing blob ${key}`);
    }
  }

  #object(key: string): S3Object {
    checkKey(key);
    return {
      client: this.#client,
      bucket: this.#bucket,
      key: this.#prefix + key,
      beginMs: this.#limits.requestTimeoutMs,
    };
  }

  /** Limits a request with its retries. */
  #within(): { abortSignal: AbortSignal } {
    return { abortSignal: AbortSignal.timeout(this.#limits.requestTimeoutMs) };
  }
}

function infoOf(sizeBytes: number | undefined, usedAt: Date | undefined): BlobInfo {
  return { sizeBytes: sizeBytes ?? 0, usedAt: usedAt?.getTime() ?? 0 };
}
