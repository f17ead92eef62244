import { fieldProblems, limitsFile } from '@kiln/contracts';
import { limitDefaults } from '@kiln/domain';
import { type AllowedHosts, allowedHosts, InvalidEnvironment, readSettingsFile, wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { API_DEFAULTS, type ApiConfig } from '../config.ts';
import { KEY_TIMES } from '../oidc/issuer-keys.ts';
import { readOidcFile } from '../oidc/read-file.ts';
import { isSafeUrl } from '../oidc/settings.ts';
import { trustProxy } from './trust-proxy.ts';
import { untrustedPush } from './untrusted-push.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Environment variables for access, the same for `kiln up` and a separate API process. */
export const accessEnv = {
  KILN_TRUST_PROXY: trustProxy.describe(
    'proxies whose `X-Forwarded-For` is believed: addresses and networks separated by commas, or a number of proxies',
  ),
  KILN_UNTRUSTED_PUSH: untrustedPush.describe(
    'images that untrusted builds may push: `registry.example.org/previews/**`, for one team `web=registry.example.org/web/*`; separated by commas',
  ),
  KILN_CLIENT_LOGINS: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      'whether builds get the registry logins of the client that submits them ([secrets.md](../use/secrets.md#the-clients-registry-logins)); with `off` they are ignored',
    ),
  KILN_OIDC_FILE: z
    .string()
    .optional()
    .describe(
      'OIDC issuers and rules: CI jobs and people without stored tokens ([access.md](access.md#ci-identities))',
    ),
  KILN_PUBLIC_URL: z
    .string()
    .refine(isSafeUrl, 'the URL of this API with https:// (http:// on this machine only)')
    .optional()
    .describe('the API’s address for browsers and forges: logins, webhook URLs and links'),
  KILN_SESSION_HOURS: wholeNumber(1, API_DEFAULTS.sessionMs / HOUR_MS).describe('how long a browser’s session lasts'),
  KILN_MAX_CONNECTIONS: wholeNumber(1, API_DEFAULTS.maxConnections).describe(
    'connections at the same time, per process',
  ),
  KILN_MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(1, API_DEFAULTS.maxConnectionsByAddress).describe(
    'connections of one address at the same time, per process',
  ),
  KILN_MAX_STREAMS_PER_CREDENTIAL: wholeNumber(1, API_DEFAULTS.maxStreamsByCredential).describe(
    'logs followed and builds waited for by one credential at the same time, per process',
  ),
  KILN_MAX_UPLOADS_PER_CREDENTIAL: wholeNumber(1, API_DEFAULTS.maxUploadsByCredential).describe(
    'contexts that one credential uploads at the same time, per process; each may take about 10 MiB of memory',
  ),
  KILN_STRANGER_REQUESTS_PER_MINUTE: wholeNumber(0, API_DEFAULTS.strangerRequestsPerMinute).describe(
    'requests of one address without a valid credential; 0: no limit ([limits.md](limits.md#unknown-callers))',
  ),
  KILN_LIMITS_FILE: z
    .string()
    .optional()
    .describe('default limits of each team and token, YAML or JSON ([limits.md](limits.md))'),
  KILN_QUEUE_TIMEOUT_SECONDS: wholeNumber(0, API_DEFAULTS.queueTimeoutMs / 1000).describe(
    'how long a build may wait for a host if its request doesn’t say; 0: without limit',
  ),
  KILN_BLOB_RESERVE_BYTES: wholeNumber(0, API_DEFAULTS.blobReserveBytes).describe(
    'space in the blob store that is kept for logs: with less left, uploads are refused; 0: none',
  ),
  KILN_ALLOWED_HOSTS: allowedHosts.describe(
    'git servers at private addresses that may be reached: names, networks, `private`, `loopback` ([network.md](network.md))',
  ),
  KILN_AUDIT_RETENTION_DAYS: wholeNumber(1, API_DEFAULTS.auditRetentionMs / DAY_MS).describe(
    'how long audit entries are kept',
  ),
};

type AccessEnv = z.output<z.ZodObject<typeof accessEnv>>;
type AccessConfig = Pick<
  ApiConfig,
  | 'trustProxy'
  | 'untrustedPush'
  | 'takesClientLogins'
  | 'auditRetentionMs'
  | 'oidc'
  | 'publicUrl'
  | 'sessionMs'
  | 'limits'
  | 'queueTimeoutMs'
  | 'blobReserveBytes'
  | 'maxConnections'
  | 'maxConnectionsByAddress'
  | 'maxStreamsByCredential'
  | 'maxUploadsByCredential'
  | 'strangerRequestsPerMinute'
>;
/** … plus the hosts that Kiln may contact on users' behalf. */
interface AccessSettings extends AccessConfig {
  readonly allowedHosts: AllowedHosts;
}

/** Turns the variables into settings. @throws InvalidEnvironment */
export function accessConfig(env: AccessEnv): AccessSettings {
  const limits = env.KILN_LIMITS_FILE;
  const oidc = env.KILN_OIDC_FILE === undefined ? undefined : readOidcFile(env.KILN_OIDC_FILE);
  if (env.KILN_PUBLIC_URL === undefined && oidc?.issuers.some(({ login }) => login)) {
    throw new InvalidEnvironment(
      'KILN_PUBLIC_URL: got nothing, expected the URL at which browsers reach this API, since an issuer in KILN_OIDC_FILE has login',
    );
  }
  return {
    publicUrl: env.KILN_PUBLIC_URL ?? '',
    sessionMs: env.KILN_SESSION_HOURS * HOUR_MS,
    trustProxy: env.KILN_TRUST_PROXY,
    limits: limitDefaults(
      limits === undefined ? {} : readSettingsFile('KILN_LIMITS_FILE', limits, limitsFile, fieldProblems),
    ),
    queueTimeoutMs: env.KILN_QUEUE_TIMEOUT_SECONDS * 1000,
    blobReserveBytes: env.KILN_BLOB_RESERVE_BYTES,
    maxConnections: env.KILN_MAX_CONNECTIONS,
    maxConnectionsByAddress: env.KILN_MAX_CONNECTIONS_PER_ADDRESS,
    maxStreamsByCredential: env.KILN_MAX_STREAMS_PER_CREDENTIAL,
    maxUploadsByCredential: env.KILN_MAX_UPLOADS_PER_CREDENTIAL,
    strangerRequestsPerMinute: env.KILN_STRANGER_REQUESTS_PER_MINUTE,
    allowedHosts: env.KILN_ALLOWED_HOSTS,
    untrustedPush: env.KILN_UNTRUSTED_PUSH,
    takesClientLogins: env.KILN_CLIENT_LOGINS === 'on',
    auditRetentionMs: env.KILN_AUDIT_RETENTION_DAYS * DAY_MS,
    ...(oidc && { oidc: { ...oidc, keyTimes: KEY_TIMES } }),
  };
}
