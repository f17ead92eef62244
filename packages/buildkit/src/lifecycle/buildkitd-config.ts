import type { AllowedFrontends } from '@kiln/domain';
import { stringify, type TomlTable } from 'smol-toml';
import { type BuilderSettings, STEPS_CGROUP } from '../settings/builder-settings.ts';
import { mergeConfig, withFilesAt } from '../settings/extra-config.ts';

export interface BuildkitdConfig {
  /** Limit of all caches together. */
  readonly cacheBudgetBytes: number;
  /** Frontends that builds may name in addition to BuildKit's own. */
  readonly frontends: AllowedFrontends;
  /** Privileges that builds may ask for. Default: none. */
  readonly entitlements?: readonly string[];
  readonly settings: BuilderSettings;
  /** Where buildx finds the files with these contents or of these names. */
  readonly fileOf: { readonly pem: (text: string) => string; readonly path: (path: string) => string };
}

/** Kiln evicts by worth at the budget; BuildKit, by last use, only what is a little above it. */
const NET = 1.1;
/** Uploaded contexts are of little use to later builds: they may take a tenth of the budget, for two days. */
const SOURCE_SHARE = 0.1;
const SOURCE_KEEP_SECONDS = 48 * 3600;

/**
 * Returns the `buildkitd.toml` of the `docker-container` driver. An explicit policy replaces BuildKit's default, which removes cache mounts that were
 * not used for 48 h: here only sources expire, and the least recently used records are removed when the limit is reached.
 * @throws InvalidConfig if the additional configuration sets what `settings` set
 */
export function buildkitdConfig({
  cacheBudgetBytes,
  frontends,
  entitlements = [],
  settings,
  fileOf,
}: BuildkitdConfig): string {
  const cap = Math.floor(cacheBudgetBytes * NET);
  const { registries = {}, dns, maxParallelism, limits, config } = settings;
  const own: TomlTable = {
    ...(entitlements.length > 0 && { 'insecure-entitlements': [...entitlements] }),
    worker: {
      oci: {
        gc: true,
        ...(maxParallelism !== undefined && { 'max-parallelism': maxParallelism }),
        ...(limits && { defaultCgroupParent: STEPS_CGROUP }),
        gcpolicy: [
          {
            filters: ['type==source.local'],
            keepDuration: SOURCE_KEEP_SECONDS,
            ...space(Math.floor(cap * SOURCE_SHARE)),
          },
          space(cap),
          // Also removes what BuildKit keeps for itself. Has no duration, which would keep ancestors.
          { all: true, ...space(cap) },
        ],
      },
    },
    ...(Object.keys(registries).length > 0 && { registry: registryTables(registries, fileOf.pem) }),
    ...(dns && {
      dns: {
        ...(dns.servers && { nameservers: [...dns.servers] }),
        ...(dns.search && { searchDomains: [...dns.search] }),
        ...(dns.options && { options: [...dns.options] }),
      },
    }),
    ...frontendControl(frontends),
  };
  const merged = config ? mergeConfig(own, withFilesAt(config.table, fileOf.path)) : own;
  return `# Written by Kiln; changes are lost.\n${stringify(merged)}`;
}

/** `keepBytes` is for BuildKit before 0.17, `reservedSpace` and `maxUsedSpace` are for later versions; each ignores the other's. */
function space(bytes: number): TomlTable {
  return { keepBytes: bytes, reservedSpace: bytes, maxUsedSpace: bytes };
}

function registryTables(
  registries: NonNullable<BuilderSettings['registries']>,
  fileOf: (pem: string) => string,
): TomlTable {
  const tables = Object.entries(registries).map(([host, { mirrors, plainHttp, insecureSkipVerify, authorities }]) => [
    host,
    {
      ...(mirrors && { mirrors: [...mirrors] }),
      ...(plainHttp && { http: true }),
      ...(insecureSkipVerify && { insecure: true }),
      ...(authorities && { ca: authorities.map(fileOf) }),
    },
  ]);
  return Object.fromEntries(tables) as TomlTable;
}

/** Supported since BuildKit 0.14, ignored by earlier versions. An empty list would allow all frontends. */
function frontendControl(frontends: AllowedFrontends): TomlTable {
  if (frontends === 'any') return {};
  const gateway = frontends.length === 0 ? { enabled: false } : { enabled: true, allowedRepositories: [...frontends] };
  return { frontend: { 'gateway.v0': gateway } };
}
