import type { Outcome } from '@kiln/domain';
import { expect, vi } from 'vitest';
import type { ExecuteRequest, Executor } from '../engine/executor.ts';

const FAILURE_OF_STOP = { cancel: 'canceled', drain: 'host_drained', fence: 'infrastructure' } as const;

/** Runs builds until the test ends them, and stops them as the real one does. */
export class HeldExecutor implements Executor {
  readonly info: Executor['info'] = {
    driver: 'docker',
    engineVersion: '26',
    buildxVersion: '0.13',
    buildkitVersion: '0.12',
    platforms: ['linux/amd64'],
  };
  readonly started: ExecuteRequest[] = [];
  readonly running = new Set<string>();
  /** The reasons with which builds were stopped. */
  readonly stopped: unknown[] = [];
  fenceUntilMs = 0;
  /** Whether a stopped build keeps running until the test ends it. */
  holdsOut = false;
  #ends: ((outcome: Outcome) => void)[] = [];

  run = async (request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> => {
    this.started.push(request);
    this.running.add(request.buildId);
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#ends.push(resolve);
      signal.addEventListener('abort', () => {
        this.stopped.push(signal.reason);
        if (this.holdsOut) return;
        const code = FAILURE_OF_STOP[signal.reason as keyof typeof FAILURE_OF_STOP];
        resolve({
          end: code === 'canceled' ? 'canceled' : 'failed',
          failure: { code, message: String(signal.reason) },
        });
      });
    });
    this.running.delete(request.buildId);
    return outcome;
  };

  extendFence = async (untilMs: number): Promise<void> => {
    this.fenceUntilMs = untilMs;
  };

  close = async (): Promise<void> => {};

  /** Waits until `count` builds have been started. */
  async starts(count: number): Promise<void> {
    await vi.waitFor(() => expect(this.started.length).toBeGreaterThanOrEqual(count), { timeout: 60_000, interval: 5 });
  }

  /** Waits until a build has been stopped. */
  async stops(): Promise<void> {
    await vi.waitFor(() => expect(this.stopped).not.toEqual([]), { timeout: 60_000, interval: 5 });
  }

  finish(outcome: Outcome = { end: 'succeeded' }): void {
    for (const end of this.#ends.splice(0)) end(outcome);
  }
}
