/** A cache mount on a host. All records of one id count together; `sharing=private` creates several. */
export interface HeldMount {
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

/** What is left of the layers that a repo's recent builds used on a host. */
export interface HeldLayers {
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
}

/** The actual contents of a host's BuildKit, as far as they make builds warm. */
export interface Inventory {
  /** Whether mounts may be larger than their `bytes`; then only their presence is known. */
  readonly sizesAreFloors: boolean;
  /** By `<namespace>/<id>`, which is the same on every host. */
  readonly mounts: ReadonlyMap<string, HeldMount>;
  /** By repo. Layer ids differ between hosts, so each host adds up itself what it still has of them. */
  readonly layers: ReadonlyMap<string, HeldLayers>;
}
