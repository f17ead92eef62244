import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Digest, referencesOf, type TreePart } from '@kiln/trees';
import { type MadeTree, treeOf } from '@kiln/trees/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BlobRange, ListedBlob } from '../blob-store.ts';
import { TreeIncomplete } from './errors.ts';
import type { Root } from './sweep-team.ts';
import { objectKey } from './tree-keys.ts';
import { TreeStore } from './tree-store.ts';

const HOUR = 3_600_000;
const HORIZON = 3 * HOUR;
const TEAM = 'web';
const LARGE = [1, 2, 3].map((i) => String(i).repeat(40_000));
const LIB = { in: { 'a.c': 'a', data: LARGE[0] as string } };
/** Trees that share parts. */
const TREES = [
  treeOf({ lib: LIB, x: 'x', data: LARGE[1] as string }),
  treeOf({ lib: LIB, y: 'y' }),
  treeOf({ app: { in: { lib: LIB, z: LARGE[2] as string } }, x: 'x' }),
] as const;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-sweep-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** Keys of all objects of a tree, or of a subtree. */
function keysBelow({ parts }: MadeTree, root: Digest): Set<string> {
  const nodes = new Map(parts.flatMap((part) => (part.type === 'directory' ? [[part.object.digest, part]] : [])));
  const keys = new Set<string>();
  const visit = (digest: Digest) => {
    keys.add(objectKey(TEAM, 'directory', digest));
    const { directories, files } = referencesOf((nodes.get(digest) as TreePart & { type: 'directory' }).object.node);
    for (const file of files) keys.add(objectKey(TEAM, 'file', file.digest));
    directories.forEach(visit);
  };
  visit(root);
  return keys;
}

/** A pool of processes that store and sweep trees; each access to a blob is a step of its own. */
class Pool {
  readonly #scheduler: fc.Scheduler;
  readonly #blobs = new Map<string, { bytes: Buffer; usedAt: number }>();
  readonly #promises: { keys: ReadonlySet<string>; until: number; what: string }[] = [];
  /** When uploads began that haven't ended. */
  readonly #uploads = new Set<{ readonly at: number }>();
  readonly #building = new Map<MadeTree, number>();
  readonly #faults: string[] = [];
  #locked: Promise<unknown> = Promise.resolve();
  #now = 1_000 * HOUR;
  #temps = 0;

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler;
  }

  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Lets time pass: at most half an hour while something is uploaded, as nothing takes longer between two looks at the clock. */
  async wait(ms: number): Promise<void> {
    await this.#step('clock');
    const begun = Math.min(this.#now, ...[...this.#uploads].map(({ at }) => at));
    this.#now = this.#uploads.size > 0 ? Math.min(this.#now + ms, begun + HOUR / 2) : this.#now + ms;
  }

  /** Uploads what is missing of a tree, and builds it. */
  async submit(made: MadeTree): Promise<void> {
    const store = this.#store();
    for (let tries = 0; tries < 4; tries += 1) {
      if (await this.#begin(store, made)) return;
      const upload = { at: this.#now };
      this.#uploads.add(upload);
      await this.#upload(store, made).catch((error: unknown) => {
        if (!(error instanceof TreeIncomplete)) throw error;
      });
      this.#uploads.delete(upload);
    }
  }

  async sweep(): Promise<void> {
    const running = [...this.#building].filter(([, count]) => count > 0);
    const roots = running.map(([{ root }]): Root => ({ kind: 'directory', digest: root }));
    await this.#store().sweep(TEAM, roots);
  }

  async #upload(store: TreeStore, made: MadeTree): Promise<void> {
    const wanted = { directories: directoriesOf(made), files: filesOf(made) };
    const { directories, files } = await store.missing(TEAM, wanted);
    for (const digest of wanted.directories)
      if (!directories.includes(digest)) this.#promise(keysBelow(made, digest), `missing said that ${digest} is there`);
    const lacking = new Set([...directories, ...files.map(({ digest }) => digest)]);
    await using writer = store.write({
      ...{ team: TEAM, take: async () => {} },
      limits: { maxEntries: 100, maxFileBytes: 10_000_000 },
    });
    for (const part of made.parts) {
      if (lacking.has(part.type === 'file' ? part.digest : part.object.digest)) await writer.add(part);
    }
    await writer.flush();
  }

  /** Starts a build if its tree is there, and ends it some steps later. */
  async #begin(store: TreeStore, made: MadeTree): Promise<boolean> {
    if (!(await store.tree(TEAM, made.root))) return false;
    const promise = this.#promise(keysBelow(made, made.root), `a build of ${made.root} has not ended`);
    promise.until = Number.POSITIVE_INFINITY;
    this.#building.set(made, (this.#building.get(made) ?? 0) + 1);
    for (let steps = 0; steps < 20; steps += 1) await this.#step('build');
    this.#building.set(made, (this.#building.get(made) ?? 0) - 1);
    promise.until = this.#now;
    return true;
  }

  #promise(keys: ReadonlySet<string>, what: string): { until: number } {
    const promise = { keys, until: this.#now + HOUR, what };
    this.#promises.push(promise);
    for (const key of keys) if (!this.#blobs.has(key)) this.#faults.push(`${what}, but ${key} is missing`);
    return promise;
  }

  #store(): TreeStore {
    const exclusively = <T>(_team: string, work: () => Promise<T>) => {
      const done = this.#locked.then(work);
      this.#locked = done.catch(() => {});
      return done;
    };
    return new TreeStore({ blobs: this.#port(), horizonMs: HORIZON, exclusively, now: () => this.#now });
  }

  #step(what: string): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve(), what);
  }

  #port() {
    const infoOf = (key: string) => {
      const blob = this.#blobs.get(key);
      return blob && { sizeBytes: blob.bytes.length, usedAt: blob.usedAt };
    };
    return {
      tempPath: async () => join(dir, `temp-${this.#temps++}`),
      adopt: async (tempPath: string, key: string) => {
        const bytes = await readFile(tempPath);
        await rm(tempPath);
        await this.#step(`adopt ${key}`);
        this.#blobs.set(key, { bytes, usedAt: this.#now });
      },
      open: async (key: string, { start = 0, end }: BlobRange = {}) => {
        await this.#step(`open ${key}`);
        const bytes = this.#blobs.get(key)?.bytes;
        return bytes && Readable.from([bytes.subarray(start, end === undefined ? undefined : end + 1)]);
      },
      stat: async (key: string) => {
        await this.#step(`stat ${key}`);
        return infoOf(key);
      },
      touch: async (key: string, unusedMs: number) => {
        await this.#step(`touch ${key}`);
        const blob = this.#blobs.get(key);
        if (blob && this.#now - blob.usedAt > unusedMs) blob.usedAt = this.#now;
        return infoOf(key);
      },
      deleteMany: async (keys: Iterable<string>) => {
        for (const key of keys) {
          await this.#step(`delete ${key}`);
          this.#blobs.delete(key);
          for (const { keys: kept, until, what } of this.#promises)
            if (until > this.#now && kept.has(key)) this.#faults.push(`${key} was deleted, although ${what}`);
        }
      },
      list: (prefix: string) => this.#list(prefix),
    };
  }

  async *#list(prefix: string): AsyncGenerator<ListedBlob> {
    for (const key of [...this.#blobs.keys()]) {
      await this.#step(`list ${key}`);
      const blob = this.#blobs.get(key);
      if (blob && key.startsWith(`${prefix}/`)) yield { key, sizeBytes: blob.bytes.length, usedAt: blob.usedAt };
    }
  }
}

const directoriesOf = ({ parts }: MadeTree) =>
  parts.flatMap((part) => (part.type === 'directory' ? [part.object.digest] : []));
const filesOf = ({ parts }: MadeTree) => parts.flatMap((part) => (part.type === 'file' ? [part.digest] : []));

const tree = fc.constantFrom(...TREES);
const MINUTE = HOUR / 60;
const submit = tree.map((made) => (pool: Pool) => pool.submit(made));
const sweep = fc.constant((pool: Pool) => pool.sweep());
const pause = fc.constantFrom(...[1, 10, 25].map((minutes) => (pool: Pool) => pool.wait(minutes * MINUTE)));
const action = fc.oneof(
  { weight: 3, arbitrary: submit },
  { weight: 3, arbitrary: sweep },
  { weight: 2, arbitrary: pause },
);
/** Some time, after which several processes do something at once. The times are those at which something becomes old. */
const phase = fc.record({
  ms: fc
    .tuple(fc.constantFrom(0, HORIZON / 4, HORIZON, HORIZON + HOUR), fc.integer({ min: -20, max: 20 }))
    .map(([ms, minutes]) => Math.max(0, ms + minutes * MINUTE)),
  actors: fc.array(fc.array(action, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 }),
});

test('objects reported as present stay for an hour, with any uploads, sweeps and builds at the same time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(phase, { minLength: 2, maxLength: 6, size: 'max' }),
      async (scheduler, phases) => {
        const pool = new Pool(scheduler);
        const run = async (actions: readonly ((pool: Pool) => Promise<void>)[]) => {
          for (const act of actions) await act(pool);
        };
        for (const { ms, actors } of phases) {
          await scheduler.waitFor(pool.wait(ms));
          await scheduler.waitFor(Promise.all(actors.map(run)));
        }
        expect(pool.faults).toEqual([]);
      },
    ),
    { numRuns: Number(process.env.KILN_PROPERTY_RUNS ?? 150) },
  );
}, 120_000);
