import { parse, TomlError, type TomlTable, type TomlValue } from 'smol-toml';

/** An additional `buildkitd.toml`. */
export interface ExtraConfig {
  readonly table: TomlTable;
  /** Files that it names, by path: they aren't at that path for buildx. */
  readonly files: Readonly<Record<string, string>>;
}

/** The additional `buildkitd.toml` can't be used. The message says where and why. */
export class InvalidConfig extends Error {
  readonly code = 'invalid_buildkitd_config';
}

/** Keys that Kiln sets, and what to use instead. A key stands for everything below it. */
const RESERVED: Readonly<Record<string, string>> = {
  root: 'Kiln keeps the caches in a volume of their own',
  grpc: 'buildx and Kiln connect to BuildKit there',
  'worker.containerd': 'Kiln uses BuildKit’s OCI worker',
  'worker.oci.enabled': 'Kiln uses BuildKit’s OCI worker',
  'worker.oci.gc': 'set KILN_CACHE_BUDGET_BYTES',
  'worker.oci.gcpolicy': 'set KILN_CACHE_BUDGET_BYTES',
  'worker.oci.gckeepstorage': 'set KILN_CACHE_BUDGET_BYTES',
  'worker.oci.reservedSpace': 'set KILN_CACHE_BUDGET_BYTES',
  'worker.oci.maxUsedSpace': 'set KILN_CACHE_BUDGET_BYTES',
  'worker.oci.minFreeSpace': 'set KILN_CACHE_BUDGET_BYTES',
  'worker.oci.defaultCgroupParent': 'set KILN_BUILD_MEMORY_BYTES, KILN_BUILD_CPUS or KILN_BUILD_PIDS',
  'frontend."gateway.v0"': 'set KILN_FRONTENDS',
};

/**
 * Parses an additional `buildkitd.toml` and reads the certificates that it names.
 * @param readFile reads a file with an absolute path; throws the file system's errors
 * @throws InvalidConfig with line and column, or the name of a key that Kiln sets
 */
export function parseExtraConfig(text: string, readFile: (path: string) => string): ExtraConfig {
  const table = parsed(text);
  for (const [key, instead] of Object.entries(RESERVED)) {
    if (find(table, keyParts(key)) !== undefined) throw new InvalidConfig(`${key} is set by Kiln: ${instead}`);
  }
  const files: Record<string, string> = {};
  for (const path of certificateFiles(table)) {
    if (!path.startsWith('/')) throw new InvalidConfig(`registry: got the file ${path}, expected an absolute path`);
    try {
      files[path] = readFile(path);
    } catch (error) {
      throw new InvalidConfig(`registry: got the file ${path}, expected a readable file (${(error as Error).message})`);
    }
  }
  return { table, files };
}

/** Returns all keys with a value, such as `worker.oci.max-parallelism`, in order. */
export function configKeys(table: TomlTable, above = ''): string[] {
  return Object.entries(table).flatMap(([name, value]) => {
    const key = above + quoted(name);
    return isTable(value) ? configKeys(value, `${key}.`) : [key];
  });
}

/**
 * Adds the settings of `more` to `base`.
 * @throws InvalidConfig if both set a key
 */
export function mergeConfig(base: TomlTable, more: TomlTable, above = ''): TomlTable {
  const merged: TomlTable = { ...base };
  for (const [name, value] of Object.entries(more)) {
    const key = above + quoted(name);
    const ours = merged[name];
    if (ours === undefined) merged[name] = value;
    else if (isTable(ours) && isTable(value)) merged[name] = mergeConfig(ours, value, `${key}.`);
    else throw new InvalidConfig(`${key} is set by Kiln: ${variableOf(key)}`);
  }
  return merged;
}

/** Returns a copy with the certificates of registries at other paths. */
export function withFilesAt(table: TomlTable, pathOf: (path: string) => string): TomlTable {
  return mapRegistries(table, (registry) => ({
    ...registry,
    ...(Array.isArray(registry.ca) && { ca: registry.ca.map((path) => pathOf(String(path))) }),
    ...(Array.isArray(registry.keypair) && {
      keypair: registry.keypair.map((pair) =>
        isTable(pair) ? { ...pair, key: pathOf(String(pair.key)), cert: pathOf(String(pair.cert)) } : pair,
      ),
    }),
  }));
}

function parsed(text: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw new InvalidConfig(`line ${error.line}, column ${error.column}: ${what}`);
  }
}

function certificateFiles(table: TomlTable): string[] {
  const files: string[] = [];
  mapRegistries(table, (registry, name) => {
    const of = (key: string) => `registry.${quoted(name)}.${key}`;
    const { ca = [], keypair = [] } = registry;
    if (registry.tlsconfigdir !== undefined)
      throw new InvalidConfig(`${of('tlsconfigdir')} can’t be used: name the files by ca and keypair`);
    if (!Array.isArray(ca) || !ca.every((path) => typeof path === 'string'))
      throw new InvalidConfig(`${of('ca')}: expected a list of paths`);
    const pairs = Array.isArray(keypair) ? keypair : [];
    if (!Array.isArray(keypair) || !pairs.every(isPair))
      throw new InvalidConfig(`${of('keypair')}: expected a list of tables with key and cert`);
    files.push(...ca, ...pairs.flatMap((pair) => (isPair(pair) ? [pair.key, pair.cert] : [])));
    return registry;
  });
  return files;
}

function isPair(value: TomlValue): value is { key: string; cert: string } {
  return isTable(value) && typeof value.key === 'string' && typeof value.cert === 'string';
}

function mapRegistries(table: TomlTable, change: (registry: TomlTable, name: string) => TomlTable): TomlTable {
  const { registry } = table;
  if (registry === undefined) return table;
  if (!isTable(registry)) throw new InvalidConfig('registry: expected tables, such as [registry."docker.io"]');
  const changed = Object.entries(registry).map(([name, value]) => {
    if (!isTable(value)) throw new InvalidConfig(`registry.${quoted(name)}: expected a table`);
    return [name, change(value, name)] as const;
  });
  return { ...table, registry: Object.fromEntries(changed) };
}

function find(table: TomlTable, [first = '', ...rest]: readonly string[]): TomlValue | undefined {
  const value = table[first];
  if (rest.length === 0 || value === undefined) return value;
  return isTable(value) ? find(value, rest) : undefined;
}

function keyParts(key: string): string[] {
  return [...key.matchAll(/"([^"]+)"|[^."]+/g)].map(([whole, inner]) => inner ?? whole);
}

function quoted(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
}

function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
}

/** Returns what sets a key that isn't reserved. */
function variableOf(key: string): string {
  if (key.startsWith('dns.')) return 'by KILN_BUILD_DNS and the like';
  if (key === 'worker.oci.max-parallelism') return 'by KILN_MAX_PARALLELISM';
  if (key.endsWith('.mirrors')) return 'by KILN_REGISTRY_MIRRORS';
  if (key.endsWith('.http')) return 'by KILN_REGISTRY_PLAIN_HTTP';
  if (key.endsWith('.insecure')) return 'by KILN_REGISTRY_INSECURE_SKIP_VERIFY';
  return key.endsWith('.ca') ? 'by KILN_REGISTRY_CAS' : 'by its own settings';
}
