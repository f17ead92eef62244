import { EngineTaken } from '@kiln/buildkit';
import type { Outcome } from '@kiln/domain';
import type { DomainRequest, Executor, ExecutorInventory, ExecutorSource } from '../engine/executor.ts';

/** A source whose executors build at once, or when the test releases them, and which records what is done with them. */
export class DomainSource implements ExecutorSource {
  readonly info: ExecutorSource['info'];
  domain: string | undefined;
  /** Used bytes by domain. */
  readonly volumes = new Map<string, number>();
  readonly up = new Set<string>();
  readonly ran: DomainRequest[] = [];
  readonly opened: [domain: string, budgetBytes: number | undefined][] = [];
  readonly trimmed: [domain: string, toBytes: number][] = [];
  /** Domains whose executors can't be started at present. */
  readonly broken = new Set<string>();
  fencedUntilMs = 0;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(oneDomain: boolean) {
    this.info = {
      ...{ driver: 'docker-container', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] },
      ...{ trust: ['trusted', 'untrusted'], isolation: 'team', oneDomain },
      ...(!oneDomain && {
        cacheBudget: { bytes: 4_000, from: 'configured' as const },
        cacheBudgets: { trusted: 3_200, untrusted: 800 },
      }),
    };
  }

  get running(): readonly string[] {
    return [...this.up];
  }

  /** Keeps builds running until `release`. */
  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
  }

  stored = async () => [...this.volumes.keys()];
  open = async (domain: string, budgetBytes?: number): Promise<Executor> => {
    this.opened.push([domain, budgetBytes]);
    if (this.broken.has(domain)) throw new Error('no space left on device');
    if (this.info.oneDomain) {
      this.domain ??= domain;
      if (this.domain !== domain) throw new EngineTaken(this.domain, domain);
    }
    this.up.add(domain);
    if (!this.volumes.has(domain)) this.volumes.set(domain, 0);
    return this.#executor(domain);
  };
  stop = async (domain: string) => void this.up.delete(domain);
  discard = async (domain: string) => {
    this.up.delete(domain);
    this.volumes.delete(domain);
  };

  #executor(domain: string): Executor {
    const { trust: _, isolation: __, oneDomain: ___, cacheBudgets: ____, ...info } = this.info;
    return {
      info: { ...info, domain },
      run: async (request): Promise<Outcome> => {
        this.ran.push(request);
        await this.#held?.promise;
        return { end: 'succeeded' };
      },
      inventory: async (): Promise<ExecutorInventory> => {
        const bytes = this.volumes.get(domain) ?? 0;
        const mounts = [{ id: `${domain}/x`, bytes, lastUsedAt: 1, inUse: false, records: ['r'] }];
        const layers = [{ id: 'l', bytes: 1, lastUsedAt: Date.now(), parents: [] }];
        return { readAt: Date.now(), sizesAreFloors: false, usedBytes: bytes, mounts, layers };
      },
      trim: async (toBytes) => {
        this.trimmed.push([domain, toBytes]);
        this.volumes.set(domain, Math.min(toBytes, this.volumes.get(domain) ?? 0));
      },
      extendFence: async (untilMs) => {
        this.fencedUntilMs = untilMs;
      },
      close: async () => {},
    };
  }
}
