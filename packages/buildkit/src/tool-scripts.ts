import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Exit code of `kiln-exec` where the fence had passed before it began (EX_TEMPFAIL of sysexits.h). */
export const FENCED_EXIT_CODE = 75;

/**
 * PID 1 of the tool container. Kills everything in it while the deadline in the file $1 (seconds since the epoch) lies
 * in the past: a worker that was killed or frozen can't do it, and its lease has gone to another.
 * `kill -1` spares the caller and PID 1. No readable deadline counts as passed.
 */
const WATCHDOG = `#!/bin/sh
trap 'exit 0' TERM INT
while :; do
  deadline=
  read -r deadline 2>/dev/null < "$1" || :
  case $deadline in '' | *[!0-9]*) deadline=0 ;; esac
  [ "$(date +%s)" -lt "$deadline" ] || kill -s KILL -- -1 2>/dev/null || :
  sleep 1 &
  wait "$!"
done
`;

/** Starts $3 and what follows, with its pid in the file $2, unless the deadline in the file $1 has passed. */
const EXEC = `#!/bin/sh
fence=$1 pidfile=$2
shift 2
deadline=
read -r deadline 2>/dev/null < "$fence" || :
case $deadline in '' | *[!0-9]*) deadline=0 ;; esac
if [ "$(date +%s)" -ge "$deadline" ]; then
  echo 'kiln: the fence has passed' >&2
  exit ${FENCED_EXIT_CODE}
fi
echo "$$" > "$pidfile"
exec "$@"
`;

/** Sends the signal $2 to the process in the pid file $1. */
const KILL = `#!/bin/sh
read -r pid < "$1" && kill -s "$2" "$pid"
`;

export interface ToolPaths {
  readonly watchdog: string;
  readonly exec: string;
  readonly kill: string;
  readonly fence: string;
  readonly runs: string;
  /** buildx's own memory of its builders; outlives the tool container. */
  readonly buildxConfig: string;
}

export function toolPaths(scratchDir: string): ToolPaths {
  return {
    watchdog: join(scratchDir, 'tool', 'watchdog'),
    exec: join(scratchDir, 'tool', 'kiln-exec'),
    kill: join(scratchDir, 'tool', 'kiln-kill'),
    fence: join(scratchDir, 'tool', 'deadline'),
    runs: join(scratchDir, 'runs'),
    buildxConfig: join(scratchDir, 'buildx'),
  };
}

/** Writes the scripts. Whole files only: a container may be reading the old ones. */
export async function writeToolScripts(scratchDir: string): Promise<void> {
  const paths = toolPaths(scratchDir);
  await mkdir(join(scratchDir, 'tool'), { recursive: true });
  await mkdir(paths.runs, { recursive: true, mode: 0o700 });
  await mkdir(join(paths.buildxConfig, 'instances'), { recursive: true });
  for (const [path, text] of [
    [paths.watchdog, WATCHDOG],
    [paths.exec, EXEC],
    [paths.kill, KILL],
  ] as const) {
    await replaceFile(path, text);
    await chmod(path, 0o755);
  }
}

/** @param untilMs ms since the epoch; rounded down to a second, so the fence falls early rather than late */
export async function writeDeadline(scratchDir: string, untilMs: number): Promise<void> {
  await replaceFile(toolPaths(scratchDir).fence, `${Math.max(0, Math.floor(untilMs / 1000))}\n`);
}

let replacements = 0;

/** By renaming, so that a reader sees the old text or the new one, never a part. */
async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.${replacements++}`;
  await writeFile(draft, text);
  await rename(draft, path);
}
