// Constants of requests, apart from the schemas: a client that only sends requests doesn't load those.

/** The build argument with which BuildKit's Dockerfile frontend sets the namespace of cache mount ids. Kiln sets it itself. */
export const NAMESPACE_ARG = 'BUILDKIT_CACHE_MOUNT_NS';

/** Which older builds with its concurrency key a build cancels. */
export const SUPERSEDE_MODES = ['queued', 'running'] as const;

/** The name, in an uploaded tar, of a Dockerfile from outside the context. It isn't part of the context itself. */
export const OUTSIDE_DOCKERFILE = '.kiln.Dockerfile';

/** BuildKit's own limit for one secret (session/secrets/secretsprovider). */
export const MAX_SECRET_BYTES = 500 * 1024;

/** Most registry logins that a client sends with a build. */
export const MAX_CLIENT_LOGINS = 64;

/** What trees travel as: a stream of their parts, written and read by the room `trees`. */
export const TREE_PARTS_TYPE = 'application/vnd.kiln.tree-parts';

/** Most digests in one request about trees, together. */
export const MAX_TREE_DIGESTS = 4_096;

/** Which modification times the files of a context get. */
export const MTIME_MODES = ['stable', 'submitted'] as const;

/** Privileges of RUN steps that BuildKit grants only if it is asked to (`RUN --network=host`, `RUN --security=insecure`). */
export const ENTITLEMENTS = ['network.host', 'security.insecure'] as const;

/** Entries of a context: all, or directories and symbolic links only. */
export type TimedEntries = 'all' | 'directories';

/** Returns of which entries a build's contexts come with times: a host keeps those of files itself, unless the build is to have the submitted ones. */
export function timedEntries({ mtimes }: { readonly mtimes?: string | undefined }): TimedEntries {
  return mtimes === 'submitted' ? 'all' : 'directories';
}
