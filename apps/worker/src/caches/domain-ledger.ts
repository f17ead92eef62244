import { readFile } from 'node:fs/promises';
import { type HostInventory, hostInventory } from '@kiln/contracts';
import { addWorth, type FadingWorth } from '@kiln/domain';
import { z } from 'zod';
import { SavedFile } from './saved-file.ts';

/** An isolation domain whose caches are on the host. */
export interface KnownDomain {
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  readonly worth?: FadingWorth | undefined;
  /** The last reading of its caches. It stays valid while the builder is stopped, because nothing changes them then. */
  readonly read?: { readonly inventory: HostInventory; readonly readAt: number } | undefined;
}

const stored = z.record(
  z.string(),
  z.object({
    lastUsedAt: z.number(),
    worth: z.object({ value: z.number(), at: z.number() }).optional(),
    read: z.object({ inventory: hostInventory, readAt: z.number() }).optional(),
  }) satisfies z.ZodType<KnownDomain>,
);

/**
 * The isolation domains whose caches are on this host, with the worth and the last known contents of those caches. Stored in a file. The
 * engine's volumes take precedence over it: a domain whose volume is gone is forgotten.
 */
export class DomainLedger {
  readonly #file: SavedFile;
  readonly #domains: Map<string, KnownDomain>;

  private constructor(path: string | undefined, domains: Map<string, KnownDomain>) {
    this.#file = new SavedFile(path);
    this.#domains = domains;
  }

  /** Reads the file. @param path undefined keeps the ledger only in memory @param there domains whose caches are on the host */
  static async open(path: string | undefined, there: readonly string[], now: number): Promise<DomainLedger> {
    const text = path === undefined ? undefined : await readFile(path, 'utf8').catch(() => undefined);
    const known = parse(text);
    const domains = there.map((domain) => [domain, known[domain] ?? { lastUsedAt: now }] as const);
    return new DomainLedger(path, new Map(domains));
  }

  get all(): ReadonlyMap<string, KnownDomain> {
    return this.#domains;
  }

  used(domain: string, now: number): void {
    this.#domains.set(domain, { ...this.#domains.get(domain), lastUsedAt: now });
  }

  saved(domain: string, savedMs: number, now: number): void {
    const known = this.#domains.get(domain);
    this.#domains.set(domain, { ...known, lastUsedAt: now, worth: addWorth(known?.worth, savedMs, now) });
  }

  read(domain: string, inventory: HostInventory, readAt: number): void {
    const { lastUsedAt = readAt, worth } = this.#domains.get(domain) ?? {};
    this.#domains.set(domain, { lastUsedAt, worth, read: { inventory, readAt } });
  }

  forget(domain: string): void {
    this.#domains.delete(domain);
  }

  /** Saves the ledger atomically, by a rename. */
  async save(): Promise<void> {
    await this.#file.save(() => JSON.stringify(Object.fromEntries(this.#domains)));
  }

  /** Ends saving; what is being saved is waited for. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

function parse(text: string | undefined): Record<string, KnownDomain> {
  if (text === undefined) return {};
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
