import { randomUUID } from 'node:crypto';
import { fieldProblems, limitsFile } from '@kiln/contracts';
import { limitDefaults } from '@kiln/domain';
import { countedState, startMetrics, startTraces } from '@kiln/metrics';
import { Pulse, readEnv, readSettingsFile, runApp, secretKeys, serveHealth, settingsOrExit } from '@kiln/runtime';
import { Leadership, openState } from '@kiln/state';
import { z } from 'zod';
import { schedulerEnv, schedulingConfig } from './env.ts';
import { startScheduler } from './scheduler.ts';

/** Closing the connections in order never finishes while Redis is unreachable. */
const STATE_CLOSE_LIMIT_MS = 3_000;
/** Leaves time to finish the current round. */
const SCHEDULER_CLOSE_LIMIT_MS = 10_000;

const settings = settingsOrExit(() => {
  const env = readEnv(z.object(schedulerEnv), process.env);
  const file = env.KILN_LIMITS_FILE;
  const limits = file === undefined ? {} : readSettingsFile('KILN_LIMITS_FILE', file, limitsFile, fieldProblems);
  return { ...env, limits: limitDefaults(limits), secretKeys: secretKeys(env) };
});

await runApp('scheduler', settings.KILN_LOG_LEVEL, async ({ log, shutdown }) => {
  // A leader that hasn't finished a round for this long has lost its lease.
  const pulse = new Pulse(settings.KILN_LEADER_TTL_MS + settings.KILN_TICK_MS);
  if (settings.KILN_HEALTH_PORT > 0) {
    const health = await serveHealth(settings.KILN_HEALTH_PORT, pulse);
    shutdown.add('health', () => health[Symbol.asyncDispose]());
  }
  const metrics = await startMetrics(['scheduler'], settings.KILN_METRICS_LISTEN, { log, shutdown });
  const traces = await startTraces(['scheduler'], settings, { log, shutdown });
  const state = await openState({
    redisUrl: settings.KILN_REDIS_URL,
    minReplicas: settings.KILN_REDIS_MIN_REPLICAS,
    namespace: settings.KILN_NAMESPACE,
    secretKey: settings.secretKeys,
    ...countedState(metrics, log, traces),
  });
  shutdown.add('state', () => state[Symbol.asyncDispose](), STATE_CLOSE_LIMIT_MS);
  for (const problem of await state.unfitness()) log.warn({ problem }, 'redis is not fit');
  const scheduler = startScheduler(
    {
      ...schedulingConfig(settings),
      limits: settings.limits,
    },
    {
      ...state,
      leadership: new Leadership(state.redis, state.keys, randomUUID(), settings.KILN_LEADER_TTL_MS),
      log,
      ...(metrics && { metrics }),
      ...(traces && { traces }),
      onRound: () => pulse.beat(),
    },
  );
  shutdown.add('scheduler', () => scheduler.close(), SCHEDULER_CLOSE_LIMIT_MS);
  return {};
});
