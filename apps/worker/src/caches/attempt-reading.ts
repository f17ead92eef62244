import type { LostLayers, MountRecord } from '@kiln/domain';

/** The caches as an attempt left them. */
export interface AttemptReading {
  readonly sizesAreFloors: boolean;
  /** The mounts that it used. */
  readonly mounts: readonly MountRecord[];
  readonly layers: LostLayers | undefined;
}
