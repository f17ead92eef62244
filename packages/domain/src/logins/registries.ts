import { parseReference } from '../image/reference.ts';

/** Returns the registries of images, each once: `host[:port]`, or `docker.io`. What isn't an image reference is skipped. */
export function registriesOf(images: Iterable<string>): string[] {
  const registries = new Set<string>();
  for (const image of images) {
    const reference = parseReference(image);
    if (reference) registries.add(reference.domain);
  }
  return [...registries];
}
