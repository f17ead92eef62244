import { readFile } from 'node:fs/promises';
import { MAX_INCIDENTS } from '@kiln/contracts';
import { BUILDER_ACTIONS, BUILDER_STATES, type BuilderIncident, type Repair, recentRepairs } from '@kiln/domain';
import { z } from 'zod';
import { SavedFile } from '../caches/saved-file.ts';

/** A builder's state that was set aside, and when it is removed (ms since the epoch). */
export interface BrokenState {
  readonly domain: string;
  readonly name: string;
  readonly untilMs: number;
}

const state = z.enum(BUILDER_STATES);
const stored = z.object({
  incidents: z.array(
    z.object({
      at: z.number(),
      domain: z.string(),
      state,
      action: z.enum(BUILDER_ACTIONS),
      message: z.string().optional(),
    }),
  ),
  repairs: z.array(
    z.object({ domain: z.string(), at: z.number(), state, action: z.enum(['pruned', 'restarted', 'new_state']) }),
  ),
  broken: z.array(z.object({ domain: z.string(), name: z.string(), untilMs: z.number() })),
});

type DomainRepair = Repair & { readonly domain: string };

/** What happened to a host's builders, and which of their states were set aside. Stored in a file, so that a restart of the worker renews no budget. */
export class HealingLedger {
  readonly #file: SavedFile;
  #incidents: readonly BuilderIncident[];
  #repairs: readonly DomainRepair[];
  #broken: readonly BrokenState[];

  private constructor(path: string | undefined, known: z.output<typeof stored>) {
    this.#file = new SavedFile(path);
    this.#incidents = known.incidents as readonly BuilderIncident[];
    this.#repairs = known.repairs;
    this.#broken = known.broken;
  }

  /** Reads the file; starts with an empty ledger if there is no file, or it can't be read. @param path undefined keeps the ledger only in memory */
  static async open(path: string | undefined): Promise<HealingLedger> {
    const text = path === undefined ? undefined : await readFile(path, 'utf8').catch(() => undefined);
    return new HealingLedger(path, parse(text));
  }

  /** The newest incidents, the oldest first. */
  get incidents(): readonly BuilderIncident[] {
    return this.#incidents;
  }

  get broken(): readonly BrokenState[] {
    return this.#broken;
  }

  repairsOf(domain: string): readonly Repair[] {
    return this.#repairs.filter((repair) => repair.domain === domain);
  }

  async happened(incident: BuilderIncident): Promise<void> {
    this.#incidents = [...this.#incidents, incident].slice(-MAX_INCIDENTS);
    await this.#save();
  }

  async repaired(domain: string, repair: Repair): Promise<void> {
    this.#repairs = [...recentRepairs(this.#repairs, repair.at), { domain, ...repair }];
    await this.#save();
  }

  async kept(broken: BrokenState): Promise<void> {
    this.#broken = [...this.#broken, broken];
    await this.#save();
  }

  async removed({ domain, name }: BrokenState): Promise<void> {
    this.#broken = this.#broken.filter((broken) => broken.domain !== domain || broken.name !== name);
    await this.#save();
  }

  /** Ends saving; what is being saved is waited for. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async #save(): Promise<void> {
    await this.#file.save(() =>
      JSON.stringify({ incidents: this.#incidents, repairs: this.#repairs, broken: this.#broken }),
    );
  }
}

function parse(text: string | undefined): z.output<typeof stored> {
  const nothing = { incidents: [], repairs: [], broken: [] };
  if (text === undefined) return nothing;
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return nothing;
  }
}
