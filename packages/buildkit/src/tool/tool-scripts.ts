import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Exit code of `kiln-exec` if the fence had passed before it began (EX_TEMPFAIL of sysexits.h). */
export const FENCED_EXIT_CODE = 75;

/**
 * PID 1 of the tool container. Kills everything in the container while the deadline in the file $1 (seconds since the epoch) is in
 * the past: a killed or frozen worker can't do so itself, and another may hold its lease.
 * `kill -1` spares the caller and PID 1. A missing or unreadable deadline counts as passed.
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

/**
 * Executes the command $3… and writes its pid into the file $2, unless the deadline in the file $1 has passed. Ends what an earlier run of the same
 * user may have left: it could read this run's secrets.
 */
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
[ "$(id -u)" -eq 0 ] || kill -s KILL -- -1 2>/dev/null || :
echo "$$" > "$pidfile"
exec "$@"
`;

/** Sends the signal $2 to the process in the pid file $1; waits up to 5 s for that file. */
const KILL = `#!/bin/sh
tries=0
until read -r pid 2>/dev/null < "$1"; do
  tries=$((tries + 1))
  [ "$tries" -lt 250 ] || exit 1
  sleep 0.02
done
kill -s "$2" "$pid"
`;

/**
 * Executes orders `ID VERB OWNER DIR`, one per line, concurrently; answers `ID ok …` or `ID failed …`. Runs as root: see `RunOwner`.
 * Never follows a link: chown -R doesn't (-P is its default), and -h changes a link itself.
 */
const OWN = `#!/bin/sh
obey() {
  case $1 in
  facts) echo "$(stat -c %u:%g "$3") $(stat -c '%g %a' /var/run/docker.sock)" ;;
  give)
    chown -hR "$2" "$3" || return
    [ ! -s "$3.modes" ] || xargs -0 -n 2 chmod < "$3.modes"
    ;;
  take)
    if [ -e "$3/context" ] || [ -e "$3/dockerfile" ]; then rm -rf "$3/context" "$3/dockerfile" || return; fi
    chown -hR "$2" "$3"
    ;;
  remove) rm -rf "$3" ;;
  *) echo "no such order: $1"; return 1 ;;
  esac
}
while read -r id verb owner dir; do
  {
    if answer=$(obey "$verb" "$owner" "$dir" 2>&1); then
      echo "$id ok $answer"
    else
      echo "$id failed $(echo "$answer" | tr '\\n' ' ' | cut -c 1-1000)"
    fi
  } &
done
`;

/**
 * Changes a working tree in the directory $1, as the tree's own user, by orders on standard input: `VERB ARGUMENT BYTES`, and BYTES of paths that end with a
 * zero byte each. `extract` comes last: the rest of the input is a tar. Needs the GNU versions of tar, xargs and touch. Regardless of what is in the tree, it can do
 * no more than the tree's user may.
 */
const TREE = `#!/bin/sh
umask 077
export LC_ALL=C
kill -s KILL -- -1 2>/dev/null || :
cd "$1" || exit
while read -r verb argument bytes; do
  case $verb in
  loosen) head -c "$bytes" | xargs -0 chmod u+rwx -- ;;
  remove) head -c "$bytes" | xargs -0 rm -rf -- ;;
  mode) head -c "$bytes" | xargs -0 chmod "$argument" -- ;;
  time) head -c "$bytes" | xargs -0 touch -c -h -d "@$argument" -- ;;
  clear) chmod -R u+rwx . 2>/dev/null; rm -rf context dockerfile ;;
  extract) tar -x -f - -p -P --no-same-owner --delay-directory-restore --warning=no-timestamp ;;
  *) echo "no such order: $verb" >&2; exit 1 ;;
  esac || exit
done
`;

/** Prints at least as many lines as the script `TREE` needs programs, if the tool container has them. */
export const TREE_PROGRAMS = {
  script: 'for p in tar xargs touch; do $p --version 2>/dev/null | grep -m 1 -e GNU; done; :',
  lines: 3,
};

export interface ToolPaths {
  readonly watchdog: string;
  readonly exec: string;
  readonly kill: string;
  readonly own: string;
  readonly tree: string;
  readonly fence: string;
  readonly runs: string;
  /** Working trees; they outlive the tool container. */
  readonly trees: string;
  /** Names of runs on cache mounts that haven't ended; outlives the tool container. */
  readonly snapshots: string;
  /** What builds set for the owners and modes of cache mounts; outlives the tool container. */
  readonly mountOwners: string;
  /** buildx's own configuration, with its builders; outlives the tool container. */
  readonly buildxConfig: string;
}

export function toolPaths(scratchDir: string): ToolPaths {
  return {
    watchdog: join(scratchDir, 'tool', 'watchdog'),
    exec: join(scratchDir, 'tool', 'kiln-exec'),
    kill: join(scratchDir, 'tool', 'kiln-kill'),
    own: join(scratchDir, 'tool', 'kiln-own'),
    tree: join(scratchDir, 'tool', 'kiln-tree'),
    fence: join(scratchDir, 'tool', 'deadline'),
    runs: join(scratchDir, 'runs'),
    trees: join(scratchDir, 'trees'),
    snapshots: join(scratchDir, 'snapshots'),
    mountOwners: join(scratchDir, 'mount-owners.json'),
    buildxConfig: join(scratchDir, 'buildx'),
  };
}

/** Writes the scripts, replacing whole files: a container may be reading the old ones. */
export async function writeToolScripts(scratchDir: string): Promise<void> {
  const paths = toolPaths(scratchDir);
  await mkdir(join(scratchDir, 'tool'), { recursive: true });
  await mkdir(paths.runs, { recursive: true });
  await mkdir(paths.trees, { recursive: true });
  await mkdir(join(paths.buildxConfig, 'instances'), { recursive: true });
  // Runs' users may pass through to their own directory and the scripts, but not list. Set explicitly, regardless of the umask.
  for (const dir of [scratchDir, paths.runs, paths.trees]) await chmod(dir, 0o711);
  await chmod(join(scratchDir, 'tool'), 0o755);
  for (const [path, text] of [
    [paths.watchdog, WATCHDOG],
    [paths.exec, EXEC],
    [paths.kill, KILL],
    [paths.own, OWN],
    [paths.tree, TREE],
  ] as const) {
    await replaceFile(path, text, 0o755);
  }
}

/**
 * Writes the deadline that the watchdog reads.
 * @param untilMs ms since the epoch; rounded down to a second, so that the fence falls early rather than late
 */
export async function writeDeadline(scratchDir: string, untilMs: number): Promise<void> {
  await replaceFile(toolPaths(scratchDir).fence, `${Math.max(0, Math.floor(untilMs / 1000))}\n`, 0o644);
}

let replacements = 0;

/** Replaces by renaming, so that a reader sees either the old text or the new one. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.${process.pid}.${replacements++}`;
  await writeFile(draft, text);
  await chmod(draft, mode);
  await rename(draft, path);
}
