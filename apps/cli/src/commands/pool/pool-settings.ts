import { accessConfig, accessEnv, storageConfig, storageEnv } from '@kiln/api';
import { InvalidEnvironment, readEnv } from '@kiln/runtime';
import { schedulingConfig, schedulingEnv } from '@kiln/scheduler';
import { checkTrust, idleSettings, trustEnv, trustSettings } from '@kiln/worker';
import { z } from 'zod';
import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';

/** The environment variables of `kiln up`. */
export const poolEnv = z
  .object({
    KILN_TOOL_IMAGE: z.string().default('docker:cli'),
    KILN_BUILDKIT_IMAGE: z.string().default('moby/buildkit:buildx-stable-1'),
    KILN_DOCKER_SOCKET: z.string().optional(),
    KILN_DOCKER_CONFIG: z.string().optional(),
    ...trustEnv,
    ...accessEnv,
    ...storageEnv,
    ...schedulingEnv,
  })
  .superRefine((env, ctx) => {
    checkTrust(env, (name, message) => ctx.addIssue({ code: 'custom', path: [name], message, input: env[name] }));
  });

/** Settings of a pool, from the environment. */
export type PoolSettings = ReturnType<typeof settingsOf>;

/** Reads the settings of a pool. @throws UsageError */
export function readPoolSettings(env: Io['env']): PoolSettings {
  try {
    return settingsOf(readEnv(poolEnv, env));
  } catch (error) {
    if (error instanceof InvalidEnvironment) throw new UsageError(error.message);
    throw error;
  }
}

function settingsOf(env: z.output<typeof poolEnv>) {
  return {
    builder: {
      toolImage: env.KILN_TOOL_IMAGE,
      buildkitImage: env.KILN_BUILDKIT_IMAGE,
      ...(env.KILN_DOCKER_SOCKET !== undefined && { dockerSocket: env.KILN_DOCKER_SOCKET }),
      ...(env.KILN_DOCKER_CONFIG !== undefined && { dockerConfigDir: env.KILN_DOCKER_CONFIG }),
      ...trustSettings(env),
    },
    idle: idleSettings(env),
    access: accessConfig(env),
    storage: storageConfig(env),
    scheduling: schedulingConfig(env),
  };
}
