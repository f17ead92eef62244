/** One layer record of BuildKit's disk usage. Times in ms since the epoch. */
export interface LayerRecord {
  readonly id: string;
  readonly bytes: number;
  readonly lastUsedAt: number;
  readonly parents: readonly string[];
}

/** One id's cache mount, as read. */
export interface MountRecord {
  /** `<namespace>/<id>`. */
  readonly id: string;
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  readonly inUse: boolean;
}

/** When an attempt ran and where its mounts are. Times in ms since the epoch, of the clock that BuildKit goes by. */
export interface AttemptWindow {
  readonly namespace: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Of so many layers, the largest: what is left out is small. */
const MAX_LAYERS = 100;
/** BuildKit lets go of what a build used up to about 100 ms after buildx has ended. */
const RELEASE_MS = 1_000;

/**
 * The mounts that an attempt used: those of its namespace that were used since its start. A mount that another build of the
 * namespace holds gets its time only when that one ends, so what is in use counts too.
 */
export function mountsUsed<M extends MountRecord>(mounts: readonly M[], { namespace, startedAt }: AttemptWindow): M[] {
  return mounts.filter(
    ({ id, lastUsedAt, inUse }) => id.startsWith(`${namespace}/`) && (inUse || lastUsedAt >= startedAt),
  );
}

/**
 * The layers that an attempt used: those touched while it ran, and all that they are based on, which BuildKit doesn't touch.
 * It doesn't say which build touched a layer: of builds that ran side by side, each is taken to have used the others' layers.
 * The largest first.
 */
export function layersUsed(layers: readonly LayerRecord[], { startedAt, endedAt }: AttemptWindow): LayerRecord[] {
  const byId = new Map(layers.map((layer) => [layer.id, layer]));
  const used = new Map<string, LayerRecord>();
  const add = (first: LayerRecord) => {
    for (const todo = [first]; todo.length > 0; ) {
      const layer = todo.pop();
      if (!layer || used.has(layer.id)) continue;
      used.set(layer.id, layer);
      todo.push(...layer.parents.flatMap((parent) => byId.get(parent) ?? []));
    }
  };
  for (const layer of layers) {
    if (layer.lastUsedAt >= startedAt && layer.lastUsedAt <= endedAt + RELEASE_MS) add(layer);
  }
  return [...used.values()].sort((a, b) => b.bytes - a.bytes).slice(0, MAX_LAYERS);
}
