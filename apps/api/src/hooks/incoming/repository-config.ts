import type { KilnConfig } from '@kiln/contracts';

/** Whether any image has a path filter. */
export function asksForPaths(config: KilnConfig): boolean {
  return config.images.some((image) => image.paths !== undefined || image['paths-ignore'] !== undefined);
}
