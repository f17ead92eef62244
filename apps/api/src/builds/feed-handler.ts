import { type Principal, seesTeam } from '@kiln/domain';
import type { Response } from 'express';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import type { BuildFeed, FeedUpdate } from './build-feed.ts';

/** Changed builds that a slow client has not taken, after which it is told to read its list again. */
const MAX_PENDING = 500;

/** Answers `GET /v1/builds/events`: server-sent events of the builds that the caller may see, until the client goes or the process stops. */
export function feedHandler(
  { sseHeartbeatMs, sseRetryMs }: Pick<ApiConfig, 'sseHeartbeatMs' | 'sseRetryMs'>,
  feed: Pick<BuildFeed, 'subscribe'>,
  closing: AbortSignal,
): Handler {
  return async (_request, response, { principal }) => {
    const client = new FeedClient(response, principal);
    using _ = feed.subscribe((update) => client.add(update));
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    // The client reads its list when it gets this: what changes from here on arrives here.
    response.write(`retry: ${sseRetryMs}\nevent: ready\ndata: {}\n\n`);
    const beat = setInterval(() => client.beat(), sseHeartbeatMs);
    await new Promise<void>((resolve) => {
      response.on('close', () => resolve());
      if (closing.aborted) resolve();
      else closing.addEventListener('abort', () => resolve(), { once: true });
    });
    clearInterval(beat);
    response.end();
  };
}

/** Sends updates to one client. One that reads slowly gets only the last state of each build. */
class FeedClient {
  readonly #response: Response;
  readonly #principal: Principal;
  readonly #pending = new Map<string, string>();
  #isFull = false;

  constructor(response: Response, principal: Principal) {
    this.#response = response;
    this.#principal = principal;
    response.on('drain', () => this.#drain());
  }

  add(update: FeedUpdate): void {
    if (update.type === 'build') {
      if (!seesTeam(this.#principal, update.team)) return;
      this.#pending.set(update.id, `event: build\ndata: ${update.json}\n\n`);
    }
    if (update.type === 'reset' || this.#pending.size > MAX_PENDING) {
      this.#pending.clear();
      this.#pending.set('', 'event: reset\ndata: {}\n\n');
    }
    if (!this.#isFull) this.#drain();
  }

  beat(): void {
    if (!this.#isFull) this.#isFull = !this.#response.write(': alive\n\n');
  }

  #drain(): void {
    this.#isFull = false;
    if (this.#pending.size === 0 || this.#response.destroyed) return;
    const text = [...this.#pending.values()].join('');
    this.#pending.clear();
    this.#isFull = !this.#response.write(text);
  }
}
