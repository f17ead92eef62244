/** A cache mount as a host holds it; the records of one id (`sharing=private` makes several) count together. */
export interface HeldMount {
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

/** What is left on a host of the layers that a repo's recent builds used there. */
export interface HeldLayers {
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

/** What a host's BuildKit really holds, as far as it makes builds warm. */
export interface Inventory {
  /** Whether a mount may be larger than its `bytes` say: then its presence is all that is known. */
  readonly sizesAreFloors: boolean;
  /** By id with namespace, `<namespace>/<id>`: the same on every host. */
  readonly mounts: ReadonlyMap<string, HeldMount>;
  /** By repo. Layer records have other ids on every host, so each host sums up for itself what it still has of them. */
  readonly layers: ReadonlyMap<string, HeldLayers>;
}
