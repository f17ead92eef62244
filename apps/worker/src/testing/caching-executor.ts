import type { Trust } from '@kiln/domain';
import type { DomainRequest, Executor, ExecutorInventory } from '../engine/executor.ts';

type Mount = ExecutorInventory['mounts'][number];
type Layer = ExecutorInventory['layers'][number];

/** An executor whose builds succeed at once, with the cache contents that the test gives it. */
export class CachingExecutor implements Executor {
  readonly info: Executor['info'];
  readonly mounts = new Map<string, Mount>();
  readonly layers = new Map<string, Layer>();
  reads = 0;
  prunes = 0;
  /** `isWarm` of each build. */
  readonly warm: (boolean | undefined)[] = [];
  /** Called by each build, to change the caches. */
  onRun: () => void = () => {};

  constructor(trust: Trust, budgetBytes: number) {
    this.info = {
      ...{ trust, driver: 'docker', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] },
      cacheBudget: { bytes: budgetBytes, from: 'engine' },
    };
  }

  /** Replace it to delay or fail readings. */
  read = async (): Promise<ExecutorInventory> => this.contents();

  mount(id: string, bytes: number, inUse = false): void {
    this.mounts.set(id, { id, bytes, lastUsedAt: Date.now(), inUse, records: [`r-${id}`] });
  }

  layer(id: string, bytes: number, parents: string[] = []): void {
    this.layers.set(id, { id, bytes, lastUsedAt: Date.now(), parents });
  }

  contents(): ExecutorInventory {
    const mounts = [...this.mounts.values()];
    const usedBytes = mounts.reduce((sum, { bytes }) => sum + bytes, 0);
    return { readAt: Date.now(), sizesAreFloors: false, usedBytes, mounts, layers: [...this.layers.values()] };
  }

  run = async ({ isWarm }: Pick<DomainRequest, 'isWarm'>) => {
    this.warm.push(isWarm);
    this.onRun();
    return { end: 'succeeded' } as const;
  };
  /** Removes what isn't in use, as BuildKit does. */
  prune = async (records: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    this.prunes += 1;
    const pruned = [...this.mounts.values()].filter(
      ({ inUse, records: own }) => !inUse && own.some((id) => records.includes(id)),
    );
    const layers = [...this.layers.values()].filter(({ id }) => records.includes(id));
    for (const { id } of pruned) this.mounts.delete(id);
    for (const { id } of layers) this.layers.delete(id);
    const mounts = pruned.flatMap(({ records: [id = ''], bytes }) => [[id, bytes] as const]);
    return new Map([...mounts, ...layers.map(({ id, bytes }) => [id, bytes] as const)]);
  };
  inventory = () => {
    this.reads += 1;
    return this.read();
  };
  extendFence = async () => {};
  close = async () => {};
}
