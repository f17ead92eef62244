/** Bounds what is read for an image of very many platforms. */
const MAX_MANIFESTS = 64;

/** An attestation is stored like an image of its own (BuildKit, docs/attestations/attestation-storage.md). */
const ATTESTATION = 'vnd.docker.reference.type';

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** The parts of an OCI manifest, or of an index of several. */
interface Manifest {
  readonly config?: Blob;
  readonly layers?: readonly Blob[];
  readonly manifests?: readonly (Blob & { readonly annotations?: Readonly<Record<string, string>> })[];
}

/**
 * Returns how many bytes a registry stores for an image: its configuration and its compressed layers, of all platforms, without attestations.
 * @param read returns a manifest or an index by its digest
 * @throws what `read` throws @throws Error if what it returned is no manifest
 */
export async function imageBytes(digest: string, read: (digest: string) => Promise<Buffer>): Promise<number> {
  const parsed = async (of: string) => JSON.parse((await read(of)).toString()) as Manifest;
  const top = await parsed(digest);
  const images = top.manifests?.filter(({ annotations }) => !annotations?.[ATTESTATION]).slice(0, MAX_MANIFESTS);
  const manifests = images ? await Promise.all(images.map((image) => parsed(image.digest))) : [top];
  const sizes = new Map(manifests.flatMap(blobsOf).map((blob) => [blob.digest, blob.size]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function blobsOf({ config, layers }: Manifest): readonly Blob[] {
  const blobs = [config, ...(layers ?? [])];
  const known = blobs.filter((blob) => blob !== undefined && Number.isSafeInteger(blob.size));
  if (!layers || known.length < blobs.length) throw new Error('not the manifest of an image');
  return known as Blob[];
}
