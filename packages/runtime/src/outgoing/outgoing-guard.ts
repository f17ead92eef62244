import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import { readAddress, specialRange } from './address-range.ts';
import { type AllowedHosts, allowsAddress, allowsName } from './allowed-hosts.ts';

/** A host that may not be reached. The message says why, and what would allow it. */
export class AddressRefused extends Error {
  readonly code = 'address_refused';
  readonly host: string;
  readonly address: string;
  readonly range: string;
  constructor(host: string, address: string, range: string) {
    // The address is left out: it may be confidential.
    super(
      `${host} has a ${RANGE_NAMES[range] ?? range} address, which may only be reached if KILN_ALLOWED_HOSTS allows it`,
    );
    this.host = host;
    this.address = address;
    this.range = range;
  }
}

const RANGE_NAMES: Readonly<Record<string, string>> = {
  uniqueLocal: 'private',
  linkLocal: 'link-local',
  carrierGradeNat: 'private (carrier-grade NAT)',
  metadata: 'cloud metadata',
};

/** Like Node's `dns.lookup` with `all`. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

const systemResolve: Resolve = (host) =>
  new Promise((resolve, reject) => {
    dnsLookup(host, { all: true, verbatim: true }, (error, found) => (error ? reject(error) : resolve(found)));
  });

/**
 * Guards requests made on behalf of others against server-side request forgery: they don't reach private, loopback, link-local or cloud
 * metadata addresses, unless `allowed` names them.
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
      // Every connection is checked, so neither redirects nor changing DNS answers get around the guard.
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
   * Resolves a host and checks its addresses. The host is a name or an address, in brackets or not.
   * @throws AddressRefused if one of them may not be reached; errors of the lookup
   */
  async check(host: string): Promise<string[]> {
    const name = bare(host);
    const found = isIP(name) === 0 ? (await this.#resolve(name)).map(({ address }) => address) : [name];
    for (const address of found) this.#checkAddress(name, address);
    return found;
  }

  /** Like the global `fetch`, but fails with AddressRefused as cause if a connection, also after a redirect, goes where it may not. */
  readonly fetch: typeof globalThis.fetch = (input, init) =>
    // Both follow the same standard, but their declarations differ.
    undiciFetch(input as never, { ...(init as object), dispatcher: this.#agent }) as unknown as Promise<Response>;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** Resolves a name for a connection to the addresses that may be reached. */
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

  /** Checks everything that an address stands for. @throws AddressRefused */
  #checkAddress(host: string, text: string): void {
    for (const address of readAddress(text)) {
      const range = specialRange(address);
      if (range === undefined || allowsAddress(this.#allowed, address, range === 'metadata')) continue;
      // Names and * don't allow metadata addresses.
      if (allowsName(this.#allowed, host) && range !== 'metadata') continue;
      throw new AddressRefused(host, address.toString(), range);
    }
  }
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
