/** What a cache is for: downloaded packages, results of compilers and bundlers, image layers, or the host's own copy of a context. */
export const CACHE_KINDS = ['dependencies', 'outputs', 'layers', 'tree'] as const;
export type CacheKind = (typeof CACHE_KINDS)[number];

/** Names of directories, and of mounts with an explicit id, that package managers download to. */
const DEPENDENCIES: readonly RegExp[] = [
  /(^|[/._-])(npm|_cacache|yarn|berry|pnpm|pnpm-store|bun|corepack)($|[/._-])/,
  /(^|\/)\.?node_modules$/,
  /(^|[/._-])(pip|pip3|pypoetry|poetry|pipenv|uv|conda|wheels)($|[/._-])/,
  /(^|\/)\.m2($|\/)|(^|[/._-])(maven|ivy|ivy2|coursier|sbt-boot)($|[/._-])/,
  /(^|\/)\.?gradle\/(wrapper|caches\/modules-\d+|caches\/jars-\d+)($|\/)/,
  /(^|\/)go\/pkg\/mod($|\/)|(^|[/._-])go-?mod($|[/._-])|(^|\/)gomodcache($|\/)/,
  /(^|\/)\.?cargo\/(registry|git)($|\/)|(^|[/._-])cargo-(registry|git)($|[/._-])/,
  /(^|[/._-])(composer|bundler|gems?|rubygems|nuget|hex|mix-deps|cabal|stack|opam|pub-cache|cocoapods|conan|vcpkg)($|[/._-])/,
  /(^|\/)var\/(cache|lib)\/(apt|apk|dnf|yum|zypp|pacman)($|\/)|(^|\/)etc\/apk\/cache($|\/)/,
  /(^|[/._-])(apt|apk|dnf|yum|zypper|pacman)($|[/._-])/,
];

/** Exceptions: directories below those of package managers that contain results of builds. */
const OUTPUTS: readonly RegExp[] = [
  /(^|[/._-])go-?build($|[/._-])|(^|[/._-])(s?ccache|buildcache|build-cache|turbo|nx|bazel|webpack|vite|tsc|tsbuildinfo)($|[/._-])/,
  /(^|\/)(target|dist|build|out|obj|\.next|\.nuxt|\.parcel-cache)($|\/)/,
  /(^|\/)\.?node_modules\/\.cache($|\/)/,
];

/**
 * Guesses the kind of a cache mount from the path or id after its namespace: `dependencies` for directories of known package managers,
 * otherwise `outputs`. A guess for people and for tie-breaks; nothing that must be right may depend on it.
 */
export function mountKind(name: string): Extract<CacheKind, 'dependencies' | 'outputs'> {
  const path = name.toLowerCase();
  if (OUTPUTS.some((pattern) => pattern.test(path))) return 'outputs';
  return DEPENDENCIES.some((pattern) => pattern.test(path)) ? 'dependencies' : 'outputs';
}
