import type { Pool } from '../../support/pool/pool.ts';

/** The pool that these stories share, for use inside a test. */
export interface SameLab {
  readonly pool: () => Pool;
  /** Names of images in this machine’s engine, which are removed after the last test: the engine takes as long for all as for one. */
  readonly images: Set<string>;
}
