import type { ServerResponse } from 'node:http';
import type { Principal } from '@kiln/domain';
import type { PoolEvents } from '@kiln/state';

/** How long a revoked credential is remembered, ms: the event may arrive before a request with that credential is added. */
const REMEMBER_MS = 60_000;
/** The longest delay of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Tracks requests under way by their credential, and closes their connections when it is revoked or expires. A client that follows a log
 * reconnects, and is refused then.
 */
export class LiveRequests implements Disposable {
  readonly #byCredential = new Map<string, Set<ServerResponse>>();
  readonly #ended = new Map<string, NodeJS.Timeout>();
  readonly #subscription: Disposable;
  readonly #now: () => number;

  constructor(events: Pick<PoolEvents, 'subscribe'>, now: () => number) {
    this.#now = now;
    this.#subscription = events.subscribe((event) => {
      if (event.type === 'credential') this.#end(event.id);
    });
  }

  /** Tracks a request until it ends. Must be called as soon as `principal` is known. */
  add({ id: principal, credentialId, expiresAt }: Principal, response: ServerResponse): void {
    // A session ends by itself, and with the token that it stands for.
    const ids = credentialId === undefined ? [principal] : [credentialId, principal];
    if (ids.some((id) => this.#ended.has(id))) {
      response.destroy();
      return;
    }
    for (const id of ids) this.#byCredential.set(id, (this.#byCredential.get(id) ?? new Set()).add(response));
    const expiry =
      expiresAt === undefined
        ? undefined
        : setTimeout(() => response.destroy(), Math.min(Math.max(0, expiresAt - this.#now()), MAX_TIMER_MS));
    response.on('close', () => {
      clearTimeout(expiry);
      for (const id of ids) this.#remove(id, response);
    });
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    for (const timer of this.#ended.values()) clearTimeout(timer);
  }

  #remove(id: string, response: ServerResponse): void {
    const all = this.#byCredential.get(id);
    all?.delete(response);
    if (all?.size === 0) this.#byCredential.delete(id);
  }

  #end(id: string): void {
    clearTimeout(this.#ended.get(id));
    this.#ended.set(
      id,
      setTimeout(() => this.#ended.delete(id), REMEMBER_MS),
    );
    for (const response of this.#byCredential.get(id) ?? []) response.destroy();
  }
}
