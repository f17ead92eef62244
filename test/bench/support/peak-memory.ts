import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeLargeFile } from './contexts.ts';
import { mb, say, table } from './report.ts';
import { separatePool } from './separate-pool.ts';
import { peakOf, resetPeak, runWhole } from './whole-process.ts';

const SMALL_BYTES = 1e6;
const BIG_BYTES = 2e9;
const PROGRAMS = ['cli', 'api', 'worker'] as const;

type Peaks = Readonly<Record<(typeof PROGRAMS)[number], number>>;

/**
 * Measures the peak memory of CLI, API and worker, processes of their own, while a context is uploaded and built for the first time: one that is small, and
 * one of 2 GB. Prints them, and returns them in bytes. @param command the bundled CLI
 */
export async function measureMemory({ dir, command }: { dir: string; command: string }): Promise<{
  readonly smallBytes: Peaks;
  readonly bigBytes: Peaks;
}> {
  await using pool = await separatePool();
  const home = join(dir, 'home');
  await mkdir(home, { recursive: true });
  const build = async (name: string, bytes: number): Promise<Peaks> => {
    const context = join(dir, name);
    await makeLargeFile(context, bytes);
    const servers = { api: pool.pid('api'), worker: pool.pid('worker') };
    for (const pid of Object.values(servers)) await resetPeak(pid);
    const env = { KILN_URL: pool.url, KILN_TOKEN: pool.token, HOME: home, XDG_CACHE_HOME: join(home, '.cache') };
    const { peakBytes } = await runWhole(process.execPath, [command, 'build', '--repo', name, context], env);
    const peaks = { cli: peakBytes, api: await peakOf(servers.api), worker: await peakOf(servers.worker) };
    await rm(context, { recursive: true });
    return peaks;
  };
  // The first one loads what all need.
  await build('warm-up', SMALL_BYTES);
  const smallBytes = await build('small', SMALL_BYTES);
  const bigBytes = await build('big', BIG_BYTES);
  say('\nPeak memory, each program in a process of its own; goal for API and worker: ± 50 MB\n');
  say(
    table([
      ['', '1 MB', '2 GB', 'difference'],
      ...PROGRAMS.map((name) => [
        name,
        mb(smallBytes[name]),
        mb(bigBytes[name]),
        mb(bigBytes[name] - smallBytes[name]),
      ]),
    ]),
  );
  return { smallBytes, bigBytes };
}
