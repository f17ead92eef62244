import { setTimeout as delay } from 'node:timers/promises';
import type { SnapshotTarget } from '@kiln/blobs';
import { KilnClient, KilnProblem, KilnUnreachable } from '@kiln/client';
import { type TreePart, writeParts } from '@kiln/trees';
import type { SavedSnapshot, SnapshotStore } from './snapshot-store.ts';

/** How long a task waits for an API that is away, ms. */
const AWAY_MS = 120_000;
const RETRY_MS = 500;

/** Snapshots through the API, for workers that don't share its blob store. Goes on where it was when an API that was away is back. */
export class ApiSnapshots implements SnapshotStore {
  readonly #client: KilnClient;
  readonly #awayMs: number;

  constructor(url: string, token: string, { awayMs = AWAY_MS } = {}) {
    this.#client = new KilnClient({ url, token });
    this.#awayMs = awayMs;
  }

  target(team: string): SnapshotTarget {
    return {
      missingFiles: async (digests) => {
        const files = [...digests];
        const missing = new Set(
          (await this.#whenThere(() => this.#client.missingTreeParts({ files }, { team }))).files.map(
            ({ digest }) => digest,
          ),
        );
        return digests.filter((digest) => missing.has(digest));
      },
      store: async (parts: readonly TreePart[]) => {
        await this.#whenThere(() => this.#client.sendTreeParts(writeParts(parts), { team, purpose: 'snapshot' }));
      },
    };
  }

  async add({ manifest: _, ...snapshot }: SavedSnapshot) {
    return this.#whenThere(() => this.#client.addSnapshot(snapshot));
  }

  async find(id: string) {
    try {
      return await this.#whenThere(() => this.#client.snapshot(id));
    } catch (error) {
      if (error instanceof KilnProblem && error.problem.code === 'snapshot_not_found') return undefined;
      throw error;
    }
  }

  async #whenThere<T>(call: () => Promise<T>): Promise<T> {
    const end = performance.now() + this.#awayMs;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isAway(error) || performance.now() >= end) throw error;
      }
      await delay(RETRY_MS);
    }
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof KilnProblem) return error.problem.status >= 500 && error.problem.status <= 504;
  return error instanceof KilnUnreachable;
}
