import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import { readAddress, specialRange } from './address-range.ts';
import { type AllowedHosts, allowsAddress, allowsName } from './allowed-hosts.ts';

/** A host that may not be reached; the message says why, and what would allow it. */
export class AddressRefused extends Error {
  readonly code = 'address_refused';
  readonly host: string;
  readonly address: string;
  readonly range: string;
  constructor(host: string, address: string, range: string) {
    // Which address a name has may be nobody's business who can't reach it.
    super(
      `${host} is at a ${RANGE_WORDS[range] ?? range} address, which is reached only where KILN_ALLOWED_HOSTS names it`,
    );
    this.host = host;
    this.address = address;
    this.range = range;
  }
}

const RANGE_WORDS: Readonly<Record<string, string>> = {
  uniqueLocal: 'private',
  linkLocal: 'link-local',
  carrierGradeNat: 'private (carrier-grade NAT)',
  metadata: 'cloud metadata',
};

/** As node's own `dns.lookup` with `all`. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

const systemResolve: Resolve = (host) =>
  new Promise((resolve, reject) => {
    dnsLookup(host, { all: true, verbatim: true }, (error, found) => (error ? reject(error) : resolve(found)));
  });

/**
 * Keeps what is fetched on others' behalf away from addresses that only this network reaches: private, loopback, link-local, the
 * clouds' metadata. What `allowed` names may be reached all the same.
 */
export class OutgoingGuard {
  readonly #allowed: AllowedHosts;
  readonly #resolve: Resolve;
  readonly #agent: Agent;

  constructor(allowed: AllowedHosts, resolve: Resolve = systemResolve) {
    this.#allowed = allowed;
    this.#resolve = resolve;
    const connect = buildConnector({ lookup: this.#lookup });
    this.#agent = new Agent({
      // Each connection is checked, so that it matters neither how often the name has been looked up before, nor what led to it.
      connect: (options, callback) => {
        try {
          if (isIP(bare(options.hostname)) !== 0) this.#checkAddress(bare(options.hostname), bare(options.hostname));
          connect(options, callback);
        } catch (error) {
          callback(error as Error, null);
        }
      },
    });
  }

  /**
   * All addresses of a host: a name, or an address that stands for itself, in brackets or not.
   * @throws AddressRefused if one of them may not be reached; what looking the name up throws
   */
  async check(host: string): Promise<string[]> {
    const name = bare(host);
    const found = isIP(name) === 0 ? (await this.#resolve(name)).map(({ address }) => address) : [name];
    for (const address of found) this.#checkAddress(name, address);
    return found;
  }

  /** Like the global one, but that no connection of it, after a redirect either, goes where it may not. Then it fails with AddressRefused as cause. */
  readonly fetch: typeof globalThis.fetch = (input, init) =>
    // The two are of one standard, but of two declarations.
    undiciFetch(input as never, { ...(init as object), dispatcher: this.#agent }) as unknown as Promise<Response>;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** Looks a name up for a connection, and leaves only what may be reached. */
  readonly #lookup: LookupFunction = (host, options, callback) => {
    this.#resolve(host).then(
      (found) => {
        const refused: unknown[] = [];
        const reachable = found.filter(({ address }) => {
          try {
            this.#checkAddress(host, address);
            return true;
          } catch (error) {
            refused.push(error);
            return false;
          }
        });
        const [first] = reachable;
        if (!first) callback((refused[0] as Error | undefined) ?? new Error(`${host} has no address`), []);
        else if (options.all) callback(null, [...reachable]);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };

  /** Of an address that stands for others as well, all have to be allowed. */
  #checkAddress(host: string, text: string): void {
    for (const address of readAddress(text)) {
      const range = specialRange(address);
      if (range === undefined || allowsAddress(this.#allowed, address, range === 'metadata')) continue;
      // A name, and the word for all hosts, can't have meant the metadata.
      if (allowsName(this.#allowed, host) && range !== 'metadata') continue;
      throw new AddressRefused(host, address.toString(), range);
    }
  }
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
