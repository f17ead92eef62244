import type { UsageRecord } from './control-messages.ts';

/** Name of the layers that make BuildKit find cache mounts again: see `KeptOwners`. */
export const KEPT = 'kiln-kept-owners';
const LAYERS = [`[root-${KEPT} 1/1] COPY --from=${KEPT} `, `mount / from exec /bin/sh -c : ${KEPT} `];

/** Whether a layer is one of those, which are no repo's cache, and stay. */
export function isKept({ description }: Pick<UsageRecord, 'description'>): boolean {
  return LAYERS.some((start) => description.startsWith(start));
}
