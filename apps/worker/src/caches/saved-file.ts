import { rename, writeFile } from 'node:fs/promises';

/** A file that is replaced as a whole, by a rename. Saves run one after the other. */
export class SavedFile {
  readonly #path: string | undefined;
  #saving: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param path undefined: nothing is saved */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** Saves the content that `text` returns when its turn comes. Does nothing once the file is closed. */
  async save(text: () => string): Promise<void> {
    const path = this.#path;
    if (path === undefined || this.#closed) return;
    this.#saving = this.#saving
      .catch(() => undefined)
      .then(async () => {
        await writeFile(`${path}.new`, text(), { mode: 0o600 });
        await rename(`${path}.new`, path);
      });
    await this.#saving;
  }

  /** Ends saving: from when this resolves, the file belongs to a successor of this process. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#saving.catch(() => undefined);
  }
}
