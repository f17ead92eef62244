import { readFile } from 'node:fs/promises';
import {
  type HeldLayers,
  heldLayers,
  type LayerRecord,
  type LayerTrace,
  type LostLayers,
  learnLayers,
} from '@kiln/domain';
import { z } from 'zod';
import { SavedFile } from './saved-file.ts';

/** Beyond this number, the repos built longest ago are forgotten. */
const MAX_REPOS = 300;

const stored = z.record(
  z.string(),
  z.object({ usedAt: z.number(), missed: z.record(z.string(), z.int().min(0)) }) satisfies z.ZodType<LayerTrace>,
);

/**
 * Records which layers of this host's BuildKit each repo's recent builds used. Stored in a file on the host, because it is meaningless
 * elsewhere. If the file is lost, repos look colder than they are until they are built again.
 */
export class LayerLedger {
  readonly #file: SavedFile;
  readonly #traces: Map<string, LayerTrace>;

  private constructor(path: string | undefined, traces: Map<string, LayerTrace>) {
    this.#file = new SavedFile(path);
    this.#traces = traces;
  }

  /** Reads the file. @param path undefined keeps the ledger only in memory */
  static async open(path: string | undefined): Promise<LayerLedger> {
    const text = path === undefined ? undefined : await readFile(path, 'utf8').catch(() => undefined);
    return new LayerLedger(path, new Map(Object.entries(parse(text))));
  }

  learn(repo: string, used: readonly LayerRecord[], endedAt: number): void {
    const trace = learnLayers(this.#traces.get(repo), used, endedAt);
    if (!trace) return;
    this.#traces.delete(repo);
    this.#traces.set(repo, trace);
    for (const [oldest] of this.#traces) {
      if (this.#traces.size <= MAX_REPOS) break;
      this.#traces.delete(oldest);
    }
  }

  /** Returns how many of the layers that a repo's last build used are gone; undefined if that isn't known. */
  lost(repo: string, layers: readonly LayerRecord[]): LostLayers | undefined {
    const trace = this.#traces.get(repo);
    if (!trace) return undefined;
    const there = new Set(layers.map(({ id }) => id));
    const used = Object.entries(trace.missed).flatMap(([id, missed]) => (missed === 0 ? [id] : []));
    return { lost: used.filter((id) => !there.has(id)).length, of: used.length, since: trace.usedAt };
  }

  /** Returns how much of each repo's layers is left, the most recently built repo first. */
  held(layers: readonly LayerRecord[]): ({ readonly repo: string } & HeldLayers)[] {
    const byId = new Map(layers.map((layer) => [layer.id, layer]));
    return [...this.#traces]
      .flatMap(([repo, trace]) => {
        const held = heldLayers(trace, byId);
        return held ? [{ repo, ...held }] : [];
      })
      .sort((a, b) => b.lastUsedAt - a.lastUsedAt);
  }

  /** Repos by the id of each layer that their recent builds used. */
  users(): Map<string, string[]> {
    const users = new Map<string, string[]>();
    for (const [repo, { missed }] of this.#traces) {
      for (const id of Object.keys(missed)) users.set(id, [...(users.get(id) ?? []), repo]);
    }
    return users;
  }

  /** Saves the ledger atomically, by a rename. */
  async save(): Promise<void> {
    await this.#file.save(() => JSON.stringify(Object.fromEntries(this.#traces)));
  }

  /** Ends saving; what is being saved is waited for. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

function parse(text: string | undefined): Record<string, LayerTrace> {
  if (text === undefined) return {};
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
