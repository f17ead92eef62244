import { runApp, settingsOrExit } from '@kiln/runtime';
import { runHost } from './run-host.ts';
import { workerSettings } from './settings/settings.ts';

const settings = settingsOrExit(() => workerSettings(process.env));

await runApp('worker', settings.KILN_LOG_LEVEL, async ({ log, shutdown }) => {
  const { worker } = await runHost(settings, log, shutdown);
  return { failed: worker.failed, done: worker.left };
});
