import { join, resolve } from 'node:path';
import { openBlobs, s3Options } from '@kiln/blobs';
import { countedState, startMetrics, startTraces } from '@kiln/metrics';
import {
  formatSecretKeys,
  InvalidEnvironment,
  OutgoingGuard,
  readEnv,
  runApp,
  secretKeys,
  settingsOrExit,
  valueOrFile,
} from '@kiln/runtime';
import { openState } from '@kiln/state';
import { z } from 'zod';
import { accessConfig } from './access/settings.ts';
import { API_DEFAULTS } from './config.ts';
import { apiEnv } from './env.ts';
import { startApi } from './start-api.ts';
import { storageConfig } from './storage-settings.ts';

/** How long closing the connections to Redis may take, ms: while Redis is away they don't end properly. */
const STATE_CLOSE_LIMIT_MS = 3_000;
const API_CLOSE_LIMIT_MS = API_DEFAULTS.closeTimeoutMs + 3_000;

const settings = settingsOrExit(() => {
  const env = readEnv(z.object(apiEnv), process.env);
  const token = valueOrFile('KILN_TOKEN', env.KILN_TOKEN, env.KILN_TOKEN_FILE);
  const { allowedHosts, ...access } = accessConfig(env);
  const dir = resolve(env.KILN_BLOB_DIR);
  const s3 = s3Options(env, join(dir, 'uploads'));
  return {
    ...env,
    blobs: s3 ? { s3 } : { dir },
    access,
    allowedHosts,
    secretKeys: secretKeys(env),
    token,
    joinToken: joinToken(env, token),
  };
});

await runApp('api', settings.KILN_LOG_LEVEL, async ({ log, shutdown }) => {
  const metrics = await startMetrics(['api'], settings.KILN_METRICS_LISTEN, { log, shutdown });
  const traces = await startTraces(['api'], settings, { log, shutdown });
  const state = await openState({
    redisUrl: settings.KILN_REDIS_URL,
    minReplicas: settings.KILN_REDIS_MIN_REPLICAS,
    namespace: settings.KILN_NAMESPACE,
    secretKey: settings.secretKeys,
    ...countedState(metrics, log, traces),
  });
  shutdown.add('state', () => state[Symbol.asyncDispose](), STATE_CLOSE_LIMIT_MS);
  for (const problem of await state.unfitness()) log.warn({ problem }, 'redis is not fit');
  const blobs = await openBlobs(settings.blobs);
  shutdown.add('blobs', () => blobs[Symbol.asyncDispose]());
  const outgoing = new OutgoingGuard(settings.allowedHosts);
  shutdown.add('outgoing', () => outgoing[Symbol.asyncDispose]());
  const api = await startApi(
    {
      ...API_DEFAULTS,
      host: settings.KILN_HOST,
      port: settings.KILN_PORT,
      ...settings.access,
      tokens: [settings.token],
      join: {
        tokens: settings.joinToken === undefined ? [] : [settings.joinToken],
        redisUrl: settings.KILN_WORKER_REDIS_URL ?? settings.KILN_REDIS_URL,
        namespace: settings.KILN_NAMESPACE,
        minReplicas: settings.KILN_REDIS_MIN_REPLICAS,
        secretKey: formatSecretKeys(settings.secretKeys),
      },
      ...storageConfig(settings),
      isTracing: traces !== undefined,
    },
    { ...state, outgoing, blobs, log, ...(metrics && { metrics }) },
  );
  shutdown.add('api', () => api.close(), API_CLOSE_LIMIT_MS);
  return {};
});

/** The join token, if any. Without one, workers need a token that an admin created. @throws InvalidEnvironment */
function joinToken(
  env: { KILN_JOIN_TOKEN?: string | undefined; KILN_JOIN_TOKEN_FILE?: string | undefined },
  userToken: string,
): string | undefined {
  const { KILN_JOIN_TOKEN: value, KILN_JOIN_TOKEN_FILE: file } = env;
  if (value === undefined && file === undefined) return undefined;
  const token = valueOrFile('KILN_JOIN_TOKEN', value, file);
  if (token === userToken) {
    throw new InvalidEnvironment('KILN_JOIN_TOKEN: got the value of KILN_TOKEN, expected another token');
  }
  return token;
}
