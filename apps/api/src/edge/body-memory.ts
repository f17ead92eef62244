import { ApiProblem } from '../http/api-problem.ts';
import type { HeldBody } from '../http/read-json.ts';
import { clientNetwork } from './client-network.ts';

interface Body {
  bytes: number;
  readonly drop: (why: ApiProblem) => void;
}

/**
 * Bounds what bodies of callers without a credential take in memory together, by the bytes that came: what a header says will come costs
 * nothing. One address may hold a part of it; where all of it is held, the body that holds most makes room, so that a small
 * one always gets through.
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
        if ((this.#byNetwork.get(network) ?? 0) + bytes > this.#maxBytesByAddress) throw tooMuchOf(network);
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
    // It is given back when its reader has noticed; until then it doesn't count as one that could make room.
    this.#bodies.delete(largest);
    largest.drop(why);
  }
}

const RETRY = { headers: { 'Retry-After': '5' } };

function tooMuchOf(network: string): ApiProblem {
  return new ApiProblem('too_many_requests', `${network} is sending too many webhooks at a time; send them one by one`, {
    errors: [{ field: 'address', got: 'several large bodies at a time', expected: 'fewer at a time' }],
    ...RETRY,
  });
}
