import { basename } from 'node:path';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import { type ByteString, byteString, type ListedBuildFiles, type ListedFile, type TreeSource } from '@kiln/trees';
import type { BesideFile } from './apply-changes.ts';

/** Leaves room for the suffix `.dockerignore`. */
const MAX_NAME_BYTES = 240;

/** The copies of a Dockerfile and its ignore file beside a tree: BuildKit opens a Dockerfile's directory by its path, and would follow links in the tree. */
export interface Copies {
  readonly name: string;
  /** Content ids. */
  readonly dockerfile: string;
  readonly ignore?: string | undefined;
}

/** Returns the name of the copy of a Dockerfile: its own, which BuildKit's messages contain, if that can be. */
export function copyName(asked: string): string {
  const name = basename(asked);
  return asked === OUTSIDE_DOCKERFILE || Buffer.byteLength(name) > MAX_NAME_BYTES ? 'Dockerfile' : name;
}

/** Returns what has to be beside a tree for a build that asks for this Dockerfile. */
export function copiesOf({ dockerfile, ignoreFile }: ListedBuildFiles, asked: string): Copies {
  // The client that packed a Dockerfile from outside of the context has already applied its ignore file.
  const ignore = asked === OUTSIDE_DOCKERFILE ? undefined : ignoreFile?.contentId;
  return { name: copyName(asked), dockerfile: dockerfile.contentId, ...(ignore !== undefined && { ignore }) };
}

export function isSameCopy(a: Copies | undefined, b: Copies): boolean {
  return a?.name === b.name && a.dockerfile === b.dockerfile && a.ignore === b.ignore;
}

/**
 * Reads the Dockerfile and its ignore file. There is always an ignore file, so that BuildKit doesn't look for another.
 * @throws what the source throws @throws the signal's reason
 */
export async function readCopies(
  source: TreeSource,
  { dockerfile, ignoreFile }: ListedBuildFiles,
  copies: Copies,
  signal: AbortSignal,
): Promise<[BesideFile, BesideFile]> {
  const wanted = copies.ignore !== undefined && ignoreFile ? [dockerfile, ignoreFile] : [dockerfile];
  const read = new Map<ByteString, Buffer>();
  for await (const { file, content } of source.contents(wanted, signal)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    read.set(file.path, Buffer.concat(chunks));
  }
  const contentOf = (file: ListedFile | undefined) => (file && read.get(file.path)) ?? Buffer.alloc(0);
  const name = byteString(copies.name);
  return [
    { name, content: contentOf(dockerfile) },
    { name: `${name}.dockerignore` as ByteString, content: contentOf(wanted[1]) },
  ];
}
