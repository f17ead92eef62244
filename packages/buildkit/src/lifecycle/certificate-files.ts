import { createHash } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuilderSettings } from '../settings/builder-settings.ts';

/** Where Go's TLS looks for certificates by default, besides in one file (crypto/x509, root_linux.go). */
const SYSTEM_DIRS = ['/etc/ssl/certs', '/etc/pki/tls/certs'];

/** The certificates of a builder, as files in its scratch directory, which the tool container sees at the same path. */
export class CertificateFiles {
  readonly #dir: string;
  readonly #authorities: readonly string[];
  readonly #others: Readonly<Record<string, string>>;

  constructor(scratchDir: string, { authorities = [], registries = {}, config }: BuilderSettings) {
    this.#dir = join(scratchDir, 'certificates');
    this.#authorities = [...authorities, ...Object.values(registries).flatMap(({ authorities: own = [] }) => own)];
    this.#others = config?.files ?? {};
  }

  /** Writes the files anew. Only this process's user can read those of the additional configuration: they may be keys. */
  async write(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    if (this.#authorities.length === 0 && Object.keys(this.#others).length === 0) return;
    await mkdir(this.#trusted, { recursive: true });
    // Set explicitly, regardless of the umask: runs have users of their own.
    for (const dir of [this.#dir, this.#trusted]) await chmod(dir, 0o755);
    for (const pem of this.#authorities) {
      await writeFile(this.pem(pem), pem);
      await chmod(this.pem(pem), 0o644);
    }
    for (const [path, text] of Object.entries(this.#others)) await writeFile(this.path(path), text, { mode: 0o600 });
  }

  /**
   * Returns variables by which buildx trusts all authorities: it fetches registries' tokens itself. Also those of single registries, because it
   * can't tell which registry a token server belongs to.
   */
  get env(): string[] {
    return this.#authorities.length === 0 ? [] : [`SSL_CERT_DIR=${[...SYSTEM_DIRS, this.#trusted].join(':')}`];
  }

  /** Returns the file with an authority's certificates. */
  pem(text: string): string {
    return join(this.#trusted, `${digest(text)}.pem`);
  }

  /** Returns the copy of a file that the additional configuration names. */
  path(path: string): string {
    return join(this.#dir, `${digest(path)}.pem`);
  }

  get #trusted(): string {
    return join(this.#dir, 'authorities');
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
