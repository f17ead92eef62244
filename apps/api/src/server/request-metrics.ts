import { type Metrics, observeMs } from '@kiln/metrics';
import type { Request, Response } from 'express';

/** Counts requests and their durations, by the path of their route in the catalogue. */
export class RequestMetrics implements Disposable {
  readonly #metrics: Metrics;
  readonly #collecting: Disposable;
  #inProgress = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#collecting = metrics.collect(['kiln_http_requests_in_progress'], (set) =>
      set('kiln_http_requests_in_progress', this.#inProgress),
    );
  }

  /** Counts a request that has begun. Call the result when its response is closed. */
  begin({ method }: Request, response: Response): () => void {
    const startedAt = performance.now();
    this.#inProgress += 1;
    return () => {
      this.#inProgress -= 1;
      const status = response.writableFinished ? `${Math.trunc(response.statusCode / 100)}xx` : 'cut_off';
      const { route } = response.locals as { route?: string };
      const labels = { method, route: route ?? '', status };
      observeMs(this.#metrics, 'kiln_http_request_duration_seconds', performance.now() - startedAt, labels);
    };
  }

  [Symbol.dispose](): void {
    this.#collecting[Symbol.dispose]();
  }
}
