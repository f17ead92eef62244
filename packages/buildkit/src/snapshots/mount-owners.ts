import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MountOwner } from '@kiln/domain';
import { readIfThere, replaceFile } from '../trees/replace-file.ts';

/** Most mounts that are remembered: those that builds used last. */
const MAX_MOUNTS = 1_000;

/** Records in a file which owners and modes the builder's builds set for cache mounts: BuildKit tells them only as part of the steps' names. */
export class MountOwners {
  readonly #path: string;
  /** By `<namespace>/<id>`, the one that was used last at the end. */
  #owners: Promise<Map<string, MountOwner>> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** What is known, by `<namespace>/<id>`. */
  async all(): Promise<ReadonlyMap<string, MountOwner>> {
    return await this.#read();
  }

  /** Adds what a build has set. @param found by the mounts' ids without the namespace @throws Error if the file can't be written */
  async note(namespace: string, found: ReadonlyMap<string, MountOwner>): Promise<void> {
    if (found.size === 0) return;
    const owners = await this.#read();
    const before = JSON.stringify([...owners]);
    for (const [id, owner] of found) {
      owners.delete(`${namespace}/${id}`);
      owners.set(`${namespace}/${id}`, owner);
    }
    for (const id of [...owners.keys()].slice(0, Math.max(0, owners.size - MAX_MOUNTS))) owners.delete(id);
    const text = JSON.stringify([...owners]);
    if (text === before) return;
    const written = this.#writing.then(() => this.#write(text));
    this.#writing = written.catch(() => undefined);
    await written;
  }

  async #write(text: string): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    await replaceFile(this.#path, text);
  }

  #read(): Promise<Map<string, MountOwner>> {
    this.#owners ??= readIfThere(this.#path).then(parse, () => new Map());
    return this.#owners;
  }
}

/** What can't be read is learned again from the next builds. */
function parse(text: string | undefined): Map<string, MountOwner> {
  try {
    return new Map(JSON.parse(text ?? '[]') as [string, MountOwner][]);
  } catch {
    return new Map();
  }
}
