import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { BuildView } from '@kiln/contracts';
import { parseReference, taggedName } from '@kiln/domain';
import { makesImage } from '../request/output-flag.ts';

/** Returns what docker calls the image's ID: the digest of its config if known, else of its manifest. */
export function imageId({ result }: BuildView): string | undefined {
  return result?.configDigest ?? result?.digest;
}

/** Returns the keys that buildx writes into `--metadata-file`, as far as Kiln knows their values, and `kiln.build`. */
export function metadata(build: BuildView): Record<string, unknown> {
  const { result } = build;
  const names = result?.pushed ?? result?.loaded ?? (makesImage(build.request) ? build.request.tags : undefined);
  return {
    'buildx.build.ref': `kiln/${build.host ?? 'none'}/${build.id}`,
    ...(result?.configDigest && { 'containerimage.config.digest': result.configDigest }),
    ...(result?.digest &&
      result.manifest && {
        'containerimage.descriptor': {
          mediaType: result.manifest.mediaType,
          digest: result.digest,
          size: result.manifest.sizeBytes,
        },
      }),
    ...(result?.digest && { 'containerimage.digest': result.digest }),
    ...(names && names.length > 0 && { 'image.name': names.map(fullName).join(',') }),
    'kiln.build': build.id,
  };
}

/** As buildx writes it, with the registry's host. */
function fullName(name: string): string {
  const reference = parseReference(name);
  return reference === undefined ? name : taggedName(reference);
}

/** Writes the files requested by `--metadata-file` and `--iidfile`. */
export async function writeResultFiles(
  build: BuildView,
  files: { readonly metadataFile: string | undefined; readonly iidFile: string | undefined; readonly cwd: string },
): Promise<void> {
  if (files.metadataFile) {
    await writeFile(resolve(files.cwd, files.metadataFile), `${JSON.stringify(metadata(build), null, 2)}\n`);
  }
  if (files.iidFile) await writeFile(resolve(files.cwd, files.iidFile), imageId(build) ?? '');
}
