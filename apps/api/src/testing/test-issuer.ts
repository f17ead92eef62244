import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '@kiln/runtime/testing';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** An OIDC issuer: a real server with real keys, which can rotate them, hang, fail or go away. */
export class TestIssuer implements AsyncDisposable {
  readonly #server: Server;
  readonly url: string;
  #keys: Key[] = [];
  #made = 0;
  /** How often its keys were fetched. */
  fetches = 0;
  /** Answers instead of the issuer, unless it returns false. */
  misbehave: ((path: string, response: ServerResponse) => unknown) | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => void this.#answer(request.url ?? '', response));
  }

  static async start(): Promise<TestIssuer> {
    const server = createServer();
    // It must be the same one after `down` and `up`.
    const port = await freePort();
    await new Promise<void>((resolve) => {
      server.listen(port, '127.0.0.1', resolve);
    });
    const issuer = new TestIssuer(server);
    await issuer.rotate();
    return issuer;
  }

  /** Replaces all keys by a new one. */
  async rotate(alg = 'RS256'): Promise<void> {
    this.#made += 1;
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    this.#keys = [{ kid: `k${this.#made}`, alg, privateKey, publicKey }];
  }

  get key(): Key {
    const [key] = this.#keys;
    if (!key) throw new Error('no key');
    return key;
  }

  /** Signs a token as CI would get it, for `claims`; `change` alters the parts that all tokens have. */
  token(
    claims: { readonly [name: string]: unknown } = {},
    change: { key?: Key; alg?: string; kid?: string } = {},
  ): Promise<string> {
    const { key = this.key, alg = key.alg, kid = key.kid } = change;
    const now = Math.floor(Date.now() / 1_000);
    const payload = { iss: this.url, aud: 'kiln', sub: 'repo:acme/app', iat: now, nbf: now, exp: now + 300, ...claims };
    return new SignJWT(payload).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(key.privateKey);
  }

  async down(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async up(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(Number(new URL(this.url).port), '127.0.0.1', resolve);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    if (this.misbehave && this.misbehave(path, response) !== false) return;
    response.setHeader('Content-Type', 'application/json');
    if (path === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }));
      return;
    }
    this.fetches += 1;
    const keys = this.#keys.map(async ({ kid, alg, publicKey }) => ({
      ...(await exportJWK(publicKey)),
      ...{ kid, alg, use: 'sig' },
    }));
    response.end(JSON.stringify({ keys: await Promise.all(keys) }));
  }
}
