import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../engine/logger.ts';
import { CACHE_FORMS, type CacheForm } from '../run/cache-flags.ts';

/** The form in which each registry takes caches, as far as it was found out. Kept in a file, so that a restarted worker knows it. */
export class CacheForms {
  readonly #file: string;
  readonly #log: Logger;
  #forms: Promise<Map<string, CacheForm>> | undefined;

  constructor(scratchDir: string, log: Logger) {
    this.#file = join(scratchDir, 'cache-forms.json');
    this.#log = log;
  }

  /** Returns the form for a registry: `index` until it refused that. */
  async all(): Promise<(registry: string) => CacheForm> {
    this.#forms ??= this.#read();
    const forms = await this.#forms;
    return (registry) => forms.get(registry) ?? 'index';
  }

  /** Takes in that the registry refused `form`. Returns the one to try next; undefined if there is none. */
  async refused(registry: string, form: CacheForm): Promise<CacheForm | undefined> {
    this.#forms ??= this.#read();
    const forms = await this.#forms;
    const next = CACHE_FORMS[CACHE_FORMS.indexOf(form) + 1];
    // Another build may have found out more meanwhile.
    const known = forms.get(registry) ?? 'index';
    if (next === undefined || known !== form) return next === undefined ? undefined : known;
    forms.set(registry, next);
    this.#log.info({ registry, form: next }, 'registry refused caches, trying another form');
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify(Object.fromEntries(forms)));
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.warn({ err: error }, 'form of caches could not be stored');
    }
    return next;
  }

  async #read(): Promise<Map<string, CacheForm>> {
    try {
      const stored = Object.entries(JSON.parse(await readFile(this.#file, 'utf8')) as Record<string, unknown>);
      return new Map(
        stored.flatMap(([registry, form]) => {
          const known = CACHE_FORMS.find((one) => one === form);
          return known ? [[registry, known] as const] : [];
        }),
      );
    } catch {
      return new Map();
    }
  }
}
