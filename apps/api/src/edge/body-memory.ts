import { ApiProblem } from '../http/api-problem.ts';
import type { HeldBody } from '../http/read-json.ts';
import { clientNetwork } from './client-network.ts';

interface Body {
  bytes: number;
  readonly drop: (why: ApiProblem) => void;
}

/**
 * Bounds the memory of bodies that callers without a credential send, counting bytes as they arrive; a declared length costs nothing.
 * One address may hold only a part of the memory. When all of it is held, the largest body is dropped, so a small one always gets through.
 */
export class BodyMemory {
  readonly #maxBytes: number;
  readonly #maxBytesByAddress: number;
  readonly #bodies = new Set<Body>();
  readonly #byNetwork = new Map<string, number>();
  #heldBytes = 0;

  constructor(maxBytes: number, maxBytesByAddress: number) {
    this.#maxBytes = maxBytes;
    this.#maxBytesByAddress = maxBytesByAddress;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  hold(ip: string): HeldBody {
    const network = clientNetwork(ip);
    const { promise: dropped, reject } = Promise.withResolvers<never>();
    dropped.catch(() => {});
    const body: Body = { bytes: 0, drop: reject };
    this.#bodies.add(body);
    return {
      dropped,
      add: (bytes) => {
        if ((this.#byNetwork.get(network) ?? 0) + bytes > this.#maxBytesByAddress) throw tooMuchFrom(network);
        this.#count(network, body, bytes);
        if (this.#heldBytes > this.#maxBytes) this.#makeRoom(body);
      },
      [Symbol.dispose]: () => {
        this.#bodies.delete(body);
        this.#count(network, body, -body.bytes);
      },
    };
  }

  #count(network: string, body: Body, bytes: number): void {
    body.bytes += bytes;
    this.#heldBytes += bytes;
    const left = (this.#byNetwork.get(network) ?? 0) + bytes;
    if (left > 0) this.#byNetwork.set(network, left);
    else this.#byNetwork.delete(network);
  }

  #makeRoom(newest: Body): void {
    let largest = newest;
    for (const body of this.#bodies) if (body.bytes > largest.bytes) largest = body;
    const why = new ApiProblem('unavailable', 'too many webhooks are being read at the moment', RETRY);
    if (largest === newest) throw why;
    // Its memory is given back when its reader notices; until then it isn't a candidate for dropping.
    this.#bodies.delete(largest);
    largest.drop(why);
  }
}

const RETRY = { headers: { 'Retry-After': '5' } };

function tooMuchFrom(network: string): ApiProblem {
  return new ApiProblem(
    'too_many_requests',
    `${network} is sending too many webhooks at a time; send them one by one`,
    {
      errors: [{ field: 'address', got: 'several large bodies at once', expected: 'fewer at once' }],
      ...RETRY,
    },
  );
}
