import type { Pool } from '../../support/pool/pool.ts';

/** The pool that these stories share, for use inside a test. */
export interface SameLab {
  readonly pool: () => Pool;
  /** Names of images in this machine's engine that are to be removed after the last test. Each removal takes the engine seconds, all at once take no longer. */
  readonly images: Set<string>;
}
