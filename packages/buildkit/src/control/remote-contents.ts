/** The parts of a provenance that name what a build got from elsewhere, in the forms of SLSA 0.2 and 1. */
interface Provenance {
  readonly materials?: readonly Material[];
  readonly buildDefinition?: { readonly resolvedDependencies?: readonly Material[] };
}

interface Material {
  readonly uri?: unknown;
  readonly digest?: Readonly<Record<string, unknown>>;
}

/** Returns the digest (`sha256:…`, or `sha1:…` of a commit) of what each URL returned to a build, by URL. @param provenance as BuildKit records it @throws SyntaxError */
export function remoteContents(provenance: string): Map<string, string> {
  const parsed = JSON.parse(provenance) as (Provenance & { readonly predicate?: Provenance }) | null;
  const { materials, buildDefinition } = parsed?.predicate ?? parsed ?? {};
  const all = [...(materials ?? []), ...(buildDefinition?.resolvedDependencies ?? [])];
  return new Map(
    all.flatMap(({ uri, digest = {} }) => {
      const [[algorithm, hex] = []] = Object.entries(digest);
      return typeof uri === 'string' && typeof hex === 'string' ? [[uri, `${algorithm}:${hex}`] as const] : [];
    }),
  );
}
