import { open } from 'node:fs/promises';
import { decodeRecord, encodeDelta, encodeRecord, type Splice, splicesOf, type TreeRecord } from '@kiln/trees';
import type { EntryMemory } from './entry-memory.ts';
import { readIfThere, replaceFile } from './replace-file.ts';

/** If more than this part of the entries differs, all are written. */
const MAX_PART = 1 / 8;
/** Differences are appended until they are as long as the rest; a short file gets more of them. */
const MIN_APPENDED_BYTES = 16 * 1024;

/** What is known of a file on the disk. */
interface Written {
  readonly bytes: number;
  readonly appendedBytes: number;
}

/** A file with a record, of this process alone. It is written as a whole, or only what differs is appended. */
export class EntriesFile<Head extends object> {
  readonly #path: string;
  readonly #memory: EntryMemory;
  readonly #isDurable: boolean;
  #head: Head | undefined;
  /** Undefined if what is on the disk may be damaged, or wasn't read yet. */
  #written: Written | undefined;

  /** @param isDurable whether what was saved must outlast a crash of the machine */
  constructor(path: string, memory: EntryMemory, isDurable: boolean) {
    this.#path = path;
    this.#memory = memory;
    this.#isDurable = isDurable;
  }

  /** Undefined if there is none, or it is damaged. */
  async load(): Promise<TreeRecord<Head> | undefined> {
    const entries = this.#memory.get(this.#path);
    if (entries && this.#head) return { head: this.#head, entries };
    const text = await readIfThere(this.#path);
    const record = text === undefined ? undefined : decodeRecord<Head>(text);
    if (!record) {
      this.forget();
      return undefined;
    }
    // How much of it was appended isn't known: the next time all of it is written.
    this.#written ??= { bytes: Buffer.byteLength(text ?? ''), appendedBytes: Number.POSITIVE_INFINITY };
    this.#keep(record);
    return record;
  }

  /** Replaces what the file has. If this throws, it has the old record, the new one or none. */
  async save(record: TreeRecord<Head>): Promise<void> {
    const [before, written] = [this.#memory.get(this.#path), this.#written];
    this.forget();
    const splices = before && written && splicesOf(before, record.entries, record.entries.length * MAX_PART);
    this.#written = (splices && (await this.#append(record.head, splices, written))) ?? (await this.#replace(record));
    this.#keep(record);
  }

  forget(): void {
    this.#memory.forget(this.#path);
    this.#written = undefined;
    this.#head = undefined;
  }

  #keep({ head, entries }: TreeRecord<Head>): void {
    this.#head = head;
    this.#memory.keep(this.#path, entries);
  }

  async #replace(record: TreeRecord<Head>): Promise<Written> {
    let bytes = 0;
    function* pieces(): Generator<Buffer> {
      for (const text of encodeRecord(record)) {
        const piece = Buffer.from(text);
        bytes += piece.length;
        yield piece;
      }
    }
    await replaceFile(this.#path, pieces(), this.#isDurable);
    return { bytes, appendedBytes: 0 };
  }

  /** Returns undefined if all of it has to be written. */
  async #append(
    head: Head,
    splices: readonly Splice[],
    { bytes, appendedBytes }: Written,
  ): Promise<Written | undefined> {
    const delta = Buffer.from(encodeDelta(head, splices));
    const appended = appendedBytes + delta.length;
    if (appended > Math.max((bytes - appendedBytes) / 2, MIN_APPENDED_BYTES)) return undefined;
    await using file = await open(this.#path, 'r+').catch(() => undefined);
    if ((await file?.stat())?.size !== bytes || !file) return undefined;
    try {
      for (let at = 0; at < delta.length; )
        at += (await file.write(delta, at, delta.length - at, bytes + at)).bytesWritten;
      if (this.#isDurable) await file.datasync();
    } catch (error) {
      // As on a full disk: half a delta would make the record unusable.
      await file.truncate(bytes).catch(() => undefined);
      throw error;
    }
    return { bytes: bytes + delta.length, appendedBytes: appended };
  }
}
