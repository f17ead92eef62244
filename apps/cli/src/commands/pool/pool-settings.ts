import { accessConfig, accessEnv, storageConfig, storageEnv } from '@kiln/api';
import { metricsEnv, tracesEnv } from '@kiln/metrics';
import { InvalidEnvironment, readEnv } from '@kiln/runtime';
import { schedulingConfig, schedulingEnv } from '@kiln/scheduler';
import {
  builderEnv,
  cacheLimits,
  checkLease,
  checkNetwork,
  checkTrust,
  healingSettings,
  idleSettings,
  mirrorEnv,
  mirrorSettings,
  networkEnv,
  networkReport,
  networkSettings,
  reportEnv,
  reportSettings,
  trustEnv,
  trustSettings,
} from '@kiln/worker';
import { z } from 'zod';
import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';

/** The environment variables of `kiln up`. */
export const upEnv = {
  ...builderEnv,
  ...trustEnv,
  ...mirrorEnv,
  ...networkEnv,
  ...reportEnv,
  ...accessEnv,
  ...storageEnv,
  ...schedulingEnv,
  ...metricsEnv,
  ...tracesEnv,
};

const schema = z.object(upEnv).superRefine((env, ctx) => {
  const refuse = (name: keyof typeof env, message: string) =>
    ctx.addIssue({ code: 'custom', path: [name], message, input: env[name] });
  checkTrust(env, refuse);
  checkNetwork(env, refuse);
  checkLease(env, refuse);
});

/** Settings of a pool, from the environment. */
export type PoolSettings = ReturnType<typeof settingsOf>;

/** Reads the settings of a pool. @throws UsageError */
export function readPoolSettings(env: Io['env']): PoolSettings {
  try {
    return settingsOf(readEnv(schema, env));
  } catch (error) {
    if (error instanceof InvalidEnvironment) throw new UsageError(error.message);
    throw error;
  }
}

function settingsOf(env: z.output<typeof schema>) {
  const settings = networkSettings(env);
  const network = networkReport(env);
  return {
    builder: {
      toolImage: env.KILN_TOOL_IMAGE,
      buildkitImage: env.KILN_BUILDKIT_IMAGE,
      ...(env.KILN_DOCKER_SOCKET !== undefined && { dockerSocket: env.KILN_DOCKER_SOCKET }),
      ...(env.KILN_DOCKER_CONFIG !== undefined && { dockerConfigDir: env.KILN_DOCKER_CONFIG }),
      pushRetries: { times: env.KILN_PUSH_RETRIES },
      ...trustSettings(env),
      ...(settings && { settings }),
    },
    worker: {
      ...reportSettings(env),
      ...idleSettings(env),
      ...cacheLimits(env),
      ...healingSettings(env),
      ...(network && { network }),
    },
    mirrors: (dataDir: string) => mirrorSettings(env, dataDir),
    access: accessConfig(env),
    storage: storageConfig(env),
    scheduling: schedulingConfig(env),
    metricsListen: env.KILN_METRICS_LISTEN,
    traces: env,
  };
}
