import { hostname } from 'node:os';
import { join } from 'node:path';
import { type BlobPlace, s3Env, s3Options } from '@kiln/blobs';
import { PUSH_RETRIES } from '@kiln/buildkit';
import { hostLabels, hostName } from '@kiln/contracts';
import { metricsEnv, tracesEnv } from '@kiln/metrics';
import {
  allowedHosts,
  commonEnv,
  InvalidEnvironment,
  readEnv,
  secretKeys,
  valueOrFile,
  wholeNumber,
} from '@kiln/runtime';
import { DEFAULT_BLOB_RESERVE_BYTES } from '@kiln/state';
import { z } from 'zod';
import { mirrorEnv } from './mirror-settings.ts';
import { checkNetwork, networkEnv } from './network-env.ts';
import { checkLease, reportEnv } from './report-settings.ts';
import { checkTrust, trustEnv } from './trust-settings.ts';

const { KILN_REDIS_URL, ...common } = commonEnv;

/** Environment variables for the builders, the same for `kiln up` and a separate worker. */
export const builderEnv = {
  KILN_TOOL_IMAGE: z
    .string()
    .default('docker:cli')
    .describe('image with `docker-buildx` and a shell, in which buildx runs'),
  KILN_BUILDKIT_IMAGE: z
    .string()
    .default('moby/buildkit:buildx-stable-1')
    .describe('BuildKit’s image (driver `docker-container`)'),
  KILN_DOCKER_SOCKET: z.string().optional().describe('the engine’s socket; without it the engine’s default'),
  KILN_DOCKER_CONFIG: z.string().optional().describe('directory with a `config.json` of registry logins'),
  KILN_PUSH_RETRIES: wholeNumber(0, PUSH_RETRIES.times).describe(
    'how often a push is repeated that failed for the network or a busy registry, without building again; 0: never ([submit.md](../use/submit.md#pushes))',
  ),
};

/** All environment variables of a worker process. */
export const workerEnv = {
  ...common,
  KILN_REDIS_URL: KILN_REDIS_URL.optional().describe(
    'Redis, unless the worker joins by `KILN_JOIN_URL`; with it, where this host finds Redis',
  ),
  KILN_JOIN_URL: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL' })
    .optional()
    .describe('the API to join by a token, instead of setting Redis, key, namespace and blobs'),
  KILN_JOIN_TOKEN: z.string().optional().describe('the join token'),
  KILN_JOIN_TOKEN_FILE: z.string().optional().describe('a file that contains `KILN_JOIN_TOKEN`'),
  KILN_HOST_NAME: hostName.default(hostname().toLowerCase()).describe('the host’s name in the pool'),
  KILN_SLOTS: wholeNumber(1, 2).describe('builds at the same time, by weight'),
  KILN_LABELS: z.string().default('').transform(readLabels).describe('labels, such as `disk=nvme,zone=a`'),
  KILN_DATA_DIR: z
    .string('a directory for the worker’s own files')
    .describe('the worker’s own files; must be at the same path for the engine'),
  KILN_DRIVER: z
    .enum(['auto', 'docker-container', 'docker'])
    .default('auto')
    .describe(
      '`docker-container`, `docker`, or `auto`: `docker-container` if BuildKit’s image can be had, else `docker`',
    ),
  ...builderEnv,
  ...trustEnv,
  ...mirrorEnv,
  ...networkEnv,
  KILN_BLOB_DIR: z.string().optional().describe('the API’s blob directory, if this host shares it'),
  ...s3Env,
  KILN_BLOB_RESERVE_BYTES: wholeNumber(0, DEFAULT_BLOB_RESERVE_BYTES).describe(
    'space in the blob store that is kept for logs: with less left, artifacts are refused; 0: none',
  ),
  KILN_API_URL: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL' })
    .optional()
    .describe('the API, to read contexts and store artifacts through it instead of `KILN_BLOB_DIR`'),
  KILN_TOKEN: z.string().optional().describe('the token for `KILN_API_URL`'),
  KILN_TOKEN_FILE: z.string().optional().describe('a file that contains `KILN_TOKEN`'),
  ...reportEnv,
  ...metricsEnv,
  ...tracesEnv,
  KILN_DRAIN_SECONDS: wholeNumber(0, 300).describe('how long running builds may continue after SIGTERM'),
  KILN_ALLOWED_HOSTS: allowedHosts.describe(
    'git servers at private addresses that may be reached: names, networks, `private`, `loopback` ([network.md](network.md))',
  ),
  KILN_HEALTH_PORT: wholeNumber(0, 0).describe('`/healthz` and `/readyz` on this port of the loopback address; 0: off'),
  KILN_EXIT_WHEN_DRAINED: z
    .stringbool({ error: 'true or false' })
    .default(false)
    .describe('exit with 0 when an operator’s drain is complete'),
};

const schema = z.object(workerEnv).superRefine((env, ctx) => {
  const refuse = (name: keyof typeof env, message: string) =>
    ctx.addIssue({ code: 'custom', path: [name], message, input: env[name] });
  checkLease(env, refuse);
  checkTrust(env, refuse);
  checkNetwork(env, refuse);
  if (env.KILN_JOIN_URL !== undefined) {
    const given = (['KILN_BLOB_DIR', 'KILN_S3_BUCKET', 'KILN_API_URL'] as const).find(
      (name) => env[name] !== undefined,
    );
    if (given)
      refuse(given, 'it to be unset together with KILN_JOIN_URL, because contexts are then read through that API');
    return;
  }
  if (env.KILN_REDIS_URL === undefined) {
    refuse(
      'KILN_REDIS_URL',
      'a Redis URL (redis://, rediss://, unix:// or redis+sentinel://), or KILN_JOIN_URL to be set',
    );
  }
  const places = [env.KILN_BLOB_DIR, env.KILN_S3_BUCKET, env.KILN_API_URL];
  if (places.filter((place) => place !== undefined).length !== 1) {
    refuse(
      'KILN_API_URL',
      'one of KILN_BLOB_DIR (shared with the API), KILN_S3_BUCKET (as for the API) and KILN_API_URL to be set',
    );
  }
});

/** How a worker accesses its pool: through the API with a join token, or with settings of its own. */
export type PoolAccess =
  | { readonly type: 'join'; readonly url: string; readonly token: string; readonly redisUrl: string | undefined }
  | {
      readonly type: 'direct';
      readonly redisUrl: string;
      readonly namespace: string;
      readonly secretKeys: readonly Buffer[];
      /** The API's blob store, or the API itself. */
      readonly blobs:
        | { readonly place: BlobPlace; readonly reserveBytes: number }
        | { readonly url: string; readonly token: string };
    };

export type WorkerSettings = z.output<typeof schema> & { readonly access: PoolAccess };

/**
 * Reads a worker's settings from the environment.
 * @param nameOf how a variable is called in errors; the CLI sets them by flags
 * @throws InvalidEnvironment
 */
export function workerSettings(env: NodeJS.ProcessEnv, nameOf: (variable: string) => string = String): WorkerSettings {
  const read = readEnv(schema, env, nameOf);
  return { ...read, access: accessOf(read, nameOf) };
}

function accessOf(env: z.output<typeof schema>, nameOf: (variable: string) => string): PoolAccess {
  if (env.KILN_JOIN_URL !== undefined) {
    const token = valueOrFile('KILN_JOIN_TOKEN', env.KILN_JOIN_TOKEN, env.KILN_JOIN_TOKEN_FILE, nameOf);
    if (!/^[\x21-\x7e]+$/.test(token)) {
      const expected = 'a token of printable ASCII characters without white space';
      throw new InvalidEnvironment(`${nameOf('KILN_JOIN_TOKEN')}: got a value that is not shown, expected ${expected}`);
    }
    return { type: 'join', url: env.KILN_JOIN_URL, token, redisUrl: env.KILN_REDIS_URL };
  }
  return {
    type: 'direct',
    redisUrl: env.KILN_REDIS_URL ?? '',
    namespace: env.KILN_NAMESPACE,
    secretKeys: secretKeys(env),
    blobs:
      env.KILN_API_URL === undefined
        ? { place: placeOf(env), reserveBytes: env.KILN_BLOB_RESERVE_BYTES }
        : { url: env.KILN_API_URL, token: valueOrFile('KILN_TOKEN', env.KILN_TOKEN, env.KILN_TOKEN_FILE) },
  };
}

function placeOf(env: z.output<typeof schema>): BlobPlace {
  // A worker stores what it gets as it comes.
  const s3 = s3Options(env, join(env.KILN_DATA_DIR, 'uploads'));
  return s3 ? { s3 } : { dir: env.KILN_BLOB_DIR ?? '' };
}

/** Reads labels separated by commas: `disk=nvme,zone=a`. */
function readLabels(text: string, ctx: z.RefinementCtx): Record<string, string> {
  const pairs = text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    });
  const labels = hostLabels.safeParse(Object.fromEntries(pairs));
  if (labels.success) return labels.data;
  ctx.addIssue({ code: 'custom', message: `label=value,…: ${firstReason(labels.error)}`, input: text });
  return z.NEVER;
}

function firstReason({ issues: [issue] }: z.ZodError): string {
  if (issue?.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  return issue?.message ?? 'labels';
}
