import { createHash } from 'node:crypto';
import type { ImageReference } from '@kiln/domain';

/** Credentials for one registry. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface Manifest {
  readonly digest: string;
  /** Whether BuildKit has written it as caches. */
  readonly isCache: boolean;
}

/** A registry answered with an unexpected status, or not at all. The message says which request and what it answered. */
export class RegistryFailed extends Error {}
/** The registry deletes no manifests, or not by this credential's kind of request. */
export class DeletionUnsupported extends RegistryFailed {}

type Fetch = typeof globalThis.fetch;

const TIMEOUT_MS = 15_000;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const ACCEPTED = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
/** Media type of the part of a manifest that only BuildKit's caches have. */
const CACHE_CONFIG = 'application/vnd.buildkit.cacheconfig.v0';

/** Reads and deletes manifests by the OCI distribution API, with Basic or Bearer authentication as the registry asks for it. */
export class RegistryClient {
  readonly #fetch: Fetch;
  readonly #login: Login | undefined;

  constructor(fetch: Fetch, login: Login | undefined) {
    this.#fetch = fetch;
    this.#login = login;
  }

  /** Returns what a tag names; undefined if it doesn't exist. @throws RegistryFailed */
  async manifest(reference: ImageReference): Promise<Manifest | undefined> {
    const answer = await this.#send('GET', urlOf(reference, reference.tag ?? 'latest'));
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw await failure(answer, 'GET');
    const body = await bounded(answer);
    const digest =
      answer.headers.get('docker-content-digest') ?? `sha256:${createHash('sha256').update(body).digest('hex')}`;
    return { digest, isCache: isCache(body.toString()) };
  }

  /** Deletes a manifest with all its tags. Returns false if it doesn't exist. @throws DeletionUnsupported @throws RegistryFailed */
  async delete(reference: ImageReference, digest: string): Promise<boolean> {
    const answer = await this.#send('DELETE', urlOf(reference, digest));
    if (answer.status === 404) return false;
    if (answer.ok) return true;
    const failed = await failure(answer, 'DELETE');
    const isUnsupported = answer.status === 405 || answer.status === 501 || /UNSUPPORTED/.test(failed.message);
    throw isUnsupported ? new DeletionUnsupported(failed.message) : failed;
  }

  async #send(method: string, url: URL): Promise<Response> {
    const first = await this.#once(method, url, undefined);
    if (first.status !== 401) return first;
    const authorization = await this.#authorization(first.headers.get('www-authenticate') ?? '', url);
    await first.body?.cancel();
    return authorization === undefined ? first : await this.#once(method, url, authorization);
  }

  async #once(method: string, url: URL, authorization: string | undefined): Promise<Response> {
    const headers = { accept: ACCEPTED, ...(authorization !== undefined && { authorization }) };
    try {
      return await this.#fetch(url, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      const { message, cause } = error as Error & { cause?: { message?: string } };
      throw new RegistryFailed(`${url.host} was not reached: ${cause?.message ?? message}`);
    }
  }

  async #authorization(challenge: string, url: URL): Promise<string | undefined> {
    const basic =
      this.#login && `Basic ${Buffer.from(`${this.#login.username}:${this.#login.password}`).toString('base64')}`;
    if (/^basic\b/i.test(challenge)) return basic;
    const found = challenge.matchAll(/\b(realm|service|scope)="([^"]*)"/g);
    const parameters = new Map([...found].map(([, name, value]) => [name, value]));
    const realm = parameters.get('realm');
    if (!/^bearer\b/i.test(challenge) || realm === undefined || !URL.canParse(realm)) return undefined;
    const from = new URL(realm);
    // The password must not cross a network in the clear unless the registry itself is reached like that.
    if (from.protocol !== 'https:' && url.protocol === 'https:') return undefined;
    for (const name of ['service', 'scope']) {
      const value = parameters.get(name);
      if (value !== undefined) from.searchParams.set(name, value);
    }
    const answer = await this.#once('GET', from, basic);
    if (!answer.ok) throw await failure(answer, 'GET');
    const { token, access_token } = JSON.parse((await bounded(answer)).toString()) as Record<string, unknown>;
    const given = token ?? access_token;
    return typeof given === 'string' ? `Bearer ${given}` : undefined;
  }
}

/** Docker Hub's API has another name. As engines do, a registry on the loopback is reached without TLS. */
function urlOf({ domain, path }: ImageReference, reference: string): URL {
  const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
  const isLoopback = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?$/.test(host);
  return new URL(`${isLoopback ? 'http' : 'https'}://${host}/v2/${path}/manifests/${reference}`);
}

async function failure(answer: Response, method: string): Promise<RegistryFailed> {
  const text = (await bounded(answer)).toString().slice(0, 300).replace(/\s+/g, ' ').trim();
  const { host, pathname } = new URL(answer.url);
  return new RegistryFailed(`${method} ${host}${pathname}: got status ${answer.status}${text && ` (${text})`}`);
}

/** Reads a body. @throws RegistryFailed if it is longer than any manifest */
async function bounded(answer: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of answer.body ?? []) {
      parts.push(part as Uint8Array);
      bytes += (part as Uint8Array).length;
      if (bytes > MAX_MANIFEST_BYTES) break;
    }
  } catch (error) {
    throw new RegistryFailed(`the answer of ${new URL(answer.url).host} broke off: ${(error as Error).message}`);
  }
  if (bytes > MAX_MANIFEST_BYTES) throw new RegistryFailed(`the answer of ${new URL(answer.url).host} is too long`);
  return Buffer.concat(parts);
}

function isCache(body: string): boolean {
  try {
    const { config, manifests = [] } = JSON.parse(body) as {
      config?: { mediaType?: string };
      manifests?: { mediaType?: string }[];
    };
    return [config, ...manifests].some((one) => one?.mediaType === CACHE_CONFIG);
  } catch {
    return false;
  }
}
