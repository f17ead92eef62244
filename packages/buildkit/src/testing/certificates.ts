import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate authority of its own, made by openssl. */
export class TestAuthority implements AsyncDisposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'kiln-ca-'));
  readonly file = join(this.#dir, 'ca.pem');

  /** It expires after two days. */
  constructor() {
    this.#openssl(
      ...['req', '-x509', ...KEY, '-days', '2', '-subj', '/O=Test Corp/CN=Test Corp Root'],
      ...['-keyout', 'ca.key', '-out', 'ca.pem'],
    );
  }

  get pem(): string {
    return readFileSync(this.file, 'utf8');
  }

  /** Issues a server's certificate. @param host its IPv4 address */
  issue(host: string): { readonly cert: string; readonly key: string } {
    this.#openssl('req', '-new', ...KEY, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server');
    writeFileSync(join(this.#dir, 'names'), `subjectAltName=IP:${host}\n`);
    this.#openssl(
      ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'],
      ...['-extfile', 'names', '-out', 'server.pem'],
    );
    const read = (name: string) => readFileSync(join(this.#dir, name), 'utf8');
    return { cert: read('server.pem'), key: read('server.key') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#dir, stdio: 'pipe' });
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
