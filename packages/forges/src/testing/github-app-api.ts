import { createVerify, generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MadeToken {
  readonly token: string;
  readonly repositories?: readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
}

const APP_ID = '4711';
const HOUR_MS = 3_600_000;
const MAX_JWT_LIFETIME_S = 600;

/**
 * A mock of the part of GitHub's REST API that Apps use, as docs.github.com/rest/apps documents it: the App is installed in every repository
 * but those of `strangers`. Takes statuses by its own tokens only.
 */
export class GithubAppApi implements AsyncDisposable {
  readonly app: { readonly appId: string; readonly privateKey: string };
  readonly made: MadeToken[] = [];
  /** Path and state of each status, with the token that it came with. */
  readonly statuses: { readonly path: string; readonly state: string; readonly token: string }[] = [];
  /** The next answer's status, in place of what the API would answer. */
  instead: number | undefined;
  now: () => number = Date.now;
  readonly #publicKey: string;
  readonly #server: Server;
  readonly #nextToken: (count: number) => string;

  private constructor(nextToken: (count: number) => string) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      ...{ modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' } },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    this.app = { appId: APP_ID, privateKey };
    this.#publicKey = publicKey;
    this.#nextToken = nextToken;
    this.#server = createServer(async (request, response) => {
      const text = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
      const [status, body] = this.#answer(request, text === '' ? {} : (JSON.parse(text) as Record<string, unknown>));
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
    });
  }

  static async start(nextToken = (count: number) => `ghs_${count}`): Promise<GithubAppApi> {
    const api = new GithubAppApi(nextToken);
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer({ method, url = '', headers }: IncomingMessage, body: Record<string, unknown>): readonly [number, object] {
    if (this.instead !== undefined) return [this.instead, { message: 'as the test wants it' }];
    const bearer = headers.authorization?.replace(/^Bearer /, '') ?? '';
    const status = /^\/repos\/[^/]+\/[^/]+\/(?:statuses\/[0-9a-f]+|check-runs(?:\/\d+)?)$/.exec(url);
    if (status) {
      if (!this.made.some(({ token }) => token === bearer)) return [401, { message: 'Bad credentials' }];
      this.statuses.push({ path: url, state: String(body.state ?? body.status), token: bearer });
      return [201, { id: this.statuses.length }];
    }
    if (!this.#isJwt(bearer)) return [401, { message: 'A JSON web token could not be decoded' }];
    const repository = /^\/repos\/([^/]+)\/[^/]+\/installation$/.exec(url);
    if (method === 'GET' && repository) {
      if (repository[1] === 'strangers') return [404, { message: 'Not Found' }];
      return [200, { id: 7, app_id: Number(APP_ID), target_type: 'Organization', permissions: { contents: 'read' } }];
    }
    if (method !== 'POST' || url !== '/app/installations/7/access_tokens') return [404, { message: 'Not Found' }];
    const made = { ...body, token: this.#nextToken(this.made.length + 1) };
    this.made.push(made);
    const expiresAt = new Date(this.now() + HOUR_MS).toISOString().replace(/\.\d+/, '');
    return [201, { ...made, expires_at: expiresAt, repository_selection: 'selected' }];
  }

  #isJwt(jwt: string): boolean {
    const [header = '', claims = '', signature = ''] = jwt.split('.');
    const verifier = createVerify('sha256').update(`${header}.${claims}`);
    if (!verifier.verify(this.#publicKey, Buffer.from(signature, 'base64url'))) return false;
    const decoded = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
    const { iss, iat, exp } = decoded(claims);
    const now = this.now() / 1_000;
    const isTimely = Number(iat) <= now && Number(exp) > now && Number(exp) - Number(iat) <= MAX_JWT_LIFETIME_S;
    return decoded(header).alg === 'RS256' && iss === APP_ID && isTimely;
  }
}
