/** A layer in BuildKit's disk usage. Times in ms since the epoch. */
export interface LayerRecord {
  readonly id: string;
  readonly bytes: number;
  readonly lastUsedAt: number;
  readonly parents: readonly string[];
}

/** A cache mount in BuildKit's disk usage. */
export interface MountRecord {
  /** `<namespace>/<id>`. */
  readonly id: string;
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  readonly inUse: boolean;
}

/** When an attempt ran, and the namespace of its mounts. Times in ms since the epoch, by BuildKit's clock. */
export interface AttemptWindow {
  readonly namespace: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Only the largest layers are kept; the others are small. */
const MAX_LAYERS = 100;
/** BuildKit releases what a build used up to about 100 ms after buildx has ended. */
const RELEASE_MS = 1_000;

/**
 * Returns the mounts that an attempt used: those of its namespace that were used since its start. A mount that another build of the
 * namespace is using gets its time only when that build ends, so mounts in use count too.
 */
export function mountsUsed<M extends MountRecord>(mounts: readonly M[], { namespace, startedAt }: AttemptWindow): M[] {
  return mounts.filter(
    ({ id, lastUsedAt, inUse }) => id.startsWith(`${namespace}/`) && (inUse || lastUsedAt >= startedAt),
  );
}

/**
 * Returns the layers that an attempt used, the largest first: those touched while it ran, and all that they are based on, which BuildKit doesn't
 * touch. BuildKit doesn't report which build touched a layer, so builds that ran at the same time count as users of each other's layers.
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
