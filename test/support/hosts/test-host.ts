import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { engineAnswers } from '../engine.ts';
import { describeProcess } from '../processes.ts';
import { until } from '../until.ts';
import { run } from './command.ts';
import { type CutOptions, cutLink, mendLink, type NetworkPlace } from './network.ts';

const UP_TIMEOUT_MS = 60_000;
// Long, because a process that was killed stays until the kernel has unmounted its containers' overlays. That writes back everything that is
// dirty on the disk below them, also what other tests have written.
const DOWN_TIMEOUT_MS = 90_000;

/**
 * The first process of the host's process namespace: waits for the engine and reaps its orphans. When it ends, the kernel kills all others:
 * containers, their shims, and the RUN processes that a dead BuildKit leaves behind.
 */
const FIRST_PROCESS = 'dockerd "$@" & wait "$!"';

/**
 * A host for tests: a Docker Engine with its own data, containerd, caches, network namespace and process namespace. A worker runs on the host
 * if it is started in its network namespace (`enter`).
 */
export class TestHost {
  readonly name: string;
  /** Path of the engine's socket. */
  readonly socket: string;
  readonly #dir: string;
  readonly #place: NetworkPlace;
  readonly #cuts: CutOptions[] = [];
  #engine: ChildProcess | undefined;
  /** Process namespace of the engine that started last. */
  #namespace: string | undefined;
  #paused: readonly number[] = [];

  constructor(name: string, dir: string, place: NetworkPlace) {
    this.name = name;
    this.#dir = dir;
    this.#place = place;
    this.socket = join(dir, 'docker.sock');
  }

  /** Writes the engine's settings. @param insecure subnet whose registries it may use without TLS */
  async prepare(insecure: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    const settings = {
      // Only this store reports the true sizes of cache mounts.
      features: { 'containerd-snapshotter': true },
      'insecure-registries': [insecure],
      builder: { gc: { enabled: true, policy: [{ keepStorage: '30GB', all: true }] } },
    };
    await writeFile(join(this.#dir, 'daemon.json'), JSON.stringify(settings));
  }

  /** The engine's data directory. */
  get dataRoot(): string {
    return join(this.#dir, 'data');
  }

  /** Prefix of a command that is to run in this host's network. */
  get enter(): readonly string[] {
    return ['nsenter', `--net=${this.#place.namespace}`];
  }

  get isUp(): boolean {
    return this.#engine !== undefined;
  }

  /** Starts the engine, unless it is running, on the data of the last one, and waits until it answers. */
  async start(): Promise<void> {
    if (this.#engine) return;
    // The last engine's processes have its data open.
    await this.#allGone();
    const path = (name: string) => join(this.#dir, name);
    // On a real machine these are in /run, which is empty after a boot.
    for (const name of ['pid', 'exec']) await rm(path(name), { force: true, recursive: true });
    const [command = '', ...args] = [
      ...this.enter,
      ...[
        'unshare',
        '--mount',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        'sh',
        '-c',
        FIRST_PROCESS,
        'dockerd',
      ],
      ...['--config-file', path('daemon.json'), '--data-root', this.dataRoot, '--exec-root', path('exec')],
      ...['--pidfile', path('pid'), '--host', `unix://${this.socket}`, '--group', `${process.getgid?.()}`],
    ];
    const env = { ...process.env, BUILDKIT_STEP_LOG_MAX_SIZE: '-1', BUILDKIT_STEP_LOG_MAX_SPEED: '-1', GOGC: '400' };
    const log = openSync(path('log'), 'a');
    // In its own session, because Ctrl-C is meant for the tests, which then end the hosts.
    const engine = spawn(command, args, { env, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    engine.once('exit', () => {
      if (this.#engine === engine) this.#engine = undefined;
    });
    this.#engine = engine;
    await until(
      `the engine of host ${this.name} answers`,
      async () => {
        if (this.#engine !== engine)
          throw new Error(`the engine of host ${this.name} exited: ${await run('tail', '-n', '20', path('log'))}`);
        return await engineAnswers(this.socket);
      },
      UP_TIMEOUT_MS,
    );
    this.#namespace = await this.#namespaceOf(engine);
  }

  /** Process namespace of the engine's children. Never that of this process, because its members get stopped and killed. */
  async #namespaceOf(engine: ChildProcess): Promise<string> {
    const namespace = await readlink(`/proc/${engine.pid}/ns/pid_for_children`);
    if (namespace === (await readlink('/proc/self/ns/pid'))) {
      throw new Error(`host ${this.name} has no process namespace of its own`);
    }
    return namespace;
  }

  /** Ends all processes of the host at once, as a power cut would. Only the worker, which is not a child of the engine, is the caller's to kill. */
  async kill(): Promise<void> {
    const engine = this.#engine;
    if (!engine) return;
    const gone = once(engine, 'exit');
    engine.kill('SIGKILL');
    await gone;
    this.#paused = [];
    await this.#allGone();
  }

  /** Waits until the processes of an engine that was killed are gone. @throws Error that lists those that are left */
  async #allGone(): Promise<void> {
    if (this.#namespace === undefined) return;
    const isGone = async () => (await this.#engineProcesses()).length === 0;
    try {
      await until(`nothing of the engine of host ${this.name} runs`, isGone, DOWN_TIMEOUT_MS);
    } catch (error) {
      const left = (await this.#engineProcesses()).map(describeProcess);
      throw new Error(`${(error as Error).message}; still there: ${left.join('; ')}`);
    }
    // The kernel may soon give its number to another namespace.
    this.#namespace = undefined;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Freezes everything that runs on the host, including its worker. */
  async pause(): Promise<void> {
    const frozen = new Set<number>();
    // A process that is started while others are being stopped is found in the next round.
    for (;;) {
      const running = (await this.processes()).filter((pid) => !frozen.has(pid));
      if (running.length === 0) break;
      if (running.includes(process.pid)) throw new Error(`the processes of host ${this.name} include this one`);
      for (const pid of running) {
        signal(pid, 'SIGSTOP');
        frozen.add(pid);
      }
    }
    this.#paused = [...frozen];
  }

  resume(): void {
    for (const pid of this.#paused) signal(pid, 'SIGCONT');
    this.#paused = [];
  }

  /** Cuts the host's link. Connections are not closed, they fall silent. */
  async cut(options: CutOptions = {}): Promise<void> {
    this.#cuts.push(options);
    await cutLink(this.#place, options);
  }

  async mend(): Promise<void> {
    for (const options of this.#cuts.splice(0)) await mendLink(this.#place, options);
  }

  /** Restores a working host, whatever a test did to it. */
  async recover(): Promise<void> {
    this.resume();
    await this.mend();
    await this.start();
  }

  /** Removes all cache mounts, as the engine's own garbage collection may. */
  async evictCacheMounts(): Promise<void> {
    await this.docker('builder', 'prune', '--all', '--force', '--filter', 'type=exec.cachemount');
  }

  docker(...args: string[]): Promise<string> {
    return run('docker', '--host', `unix://${this.socket}`, ...args);
  }

  /** Command lines of the processes on the host other than its engine. */
  async strays(): Promise<string[]> {
    const lines = await Promise.all(
      (await this.processes()).map(async (pid) => {
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        return line.replaceAll('\0', ' ').trim();
      }),
    );
    return lines.filter((line) => line !== '' && !line.includes(this.#dir));
  }

  /** Pids of all processes on the host. */
  async processes(): Promise<number[]> {
    const pids = (await run('ip', 'netns', 'pids', this.#place.namespace.replace('/run/netns/', ''))).trim();
    const inNetwork = pids === '' ? [] : pids.split('\n').map(Number);
    return [...new Set([...inNetwork, ...(await this.#engineProcesses())])];
  }

  /** Finds them by process namespace, because containers have other networks. */
  async #engineProcesses(): Promise<number[]> {
    if (this.#namespace === undefined) return [];
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.filter((pid) => processNamespace(pid) === this.#namespace).map(Number);
  }
}

/** The process namespace of a process; undefined if it has ended. */
function processNamespace(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // The process has ended.
  }
}
