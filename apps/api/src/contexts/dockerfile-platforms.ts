import type { TreeStore } from '@kiln/blobs';
import { type BuildSpec, targetSpecs } from '@kiln/contracts';
import { runPlatforms } from '@kiln/domain';
import {
  type ByteString,
  byteString,
  type Digest,
  type FileEntry,
  INLINE_BYTES,
  inlineFiles,
  resolveInTree,
} from '@kiln/trees';

type StoredTrees = Pick<TreeStore, 'directory' | 'open'>;

/** A Dockerfile is read as far as this before the build is accepted. */
const MAX_DOCKERFILE_BYTES = 256 * 1024;

/**
 * Returns the platforms for which a build's targets run programs, by the Dockerfiles in their stored contexts. Undefined if that isn't known here, as for a
 * git source.
 * @throws TreePartMissing
 */
export async function dockerfilePlatforms(spec: BuildSpec, trees: StoredTrees): Promise<readonly string[] | undefined> {
  const all = new Set<string>();
  for (const target of targetSpecs(spec)) {
    const runs = await platformsOf(target.spec, trees);
    if (runs === undefined) return undefined;
    for (const platform of runs) all.add(platform);
  }
  return [...all];
}

async function platformsOf(
  { source, team, dockerfile, target, buildArgs, platforms, buildContexts = {} }: BuildSpec,
  trees: StoredTrees,
): Promise<readonly string[] | undefined> {
  if (platforms.length === 0 || source.type !== 'upload' || source.digest === undefined) return undefined;
  const text = await readStored(trees, team, source.digest as Digest, byteString(dockerfile));
  if (text === undefined) return undefined;
  const contexts = new Set(Object.keys(buildContexts).map((name) => name.toLowerCase()));
  return runPlatforms(text, { target, buildArgs, platforms, contexts });
}

async function readStored(
  trees: StoredTrees,
  team: string,
  root: Digest,
  path: ByteString,
): Promise<string | undefined> {
  const read = (digest: Digest) => trees.directory(team, digest);
  const found = await resolveInTree(root, path, read);
  if (found.type !== 'found' || found.entry.type !== 'file') return undefined;
  const { entry } = found;
  if (entry.sizeBytes > MAX_DOCKERFILE_BYTES) return undefined;
  if (entry.sizeBytes > INLINE_BYTES)
    return await contentOf(trees, team, { directories: [], files: [entry.digest] }, entry);
  const parent = found.path.slice(0, Math.max(0, found.path.lastIndexOf('/'))) as ByteString;
  const holder = await resolveInTree(root, parent, read);
  if (holder.type !== 'found') return undefined;
  const node = await read(holder.entry.digest);
  const directories = node.type === 'parts' ? node.parts : [holder.entry.digest];
  return await contentOf(trees, team, { directories, files: [] }, entry);
}

/** Returns the content of a file that one of the objects has. */
async function contentOf(
  trees: StoredTrees,
  team: string,
  wanted: Parameters<TreeStore['open']>[1],
  { digest, sizeBytes }: FileEntry,
): Promise<string | undefined> {
  for await (const part of await trees.open(team, wanted)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of part.content) chunks.push(chunk);
    const content = Buffer.concat(chunks);
    if (part.type === 'file') return content.toString('utf8');
    let at = 0;
    for (const file of inlineFiles(part.object.node)) {
      if (file.digest === digest) return content.toString('utf8', at, at + sizeBytes);
      at += file.sizeBytes;
    }
  }
  return undefined;
}
