import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { buildSpec, cachePlaces, type LogRecord } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import { connectEngine } from '../engine/engine.ts';
import { Builder, type BuilderOptions, type RunRequest } from '../index.ts';
import { builderName, containerOf } from '../lifecycle/builder-names.ts';
import { ToolProcess } from '../tool/tool-process.ts';
import { tar } from './tar.ts';

/** Images that `infra/setup` has built or chosen. */
export const IMAGES = {
  debian: process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'kiln.local/debian:bookworm-slim',
  tool: process.env.KILN_TOOL_IMAGE ?? 'kiln.local/tool:1',
  buildkit: process.env.KILN_BUILDKIT_IMAGE ?? 'kiln.local/buildkit:1',
};

export const FROM = `FROM ${IMAGES.debian}`;
/** Longer than any test. */
const FENCE_MS = 600_000;

export const engine = connectEngine('/var/run/docker.sock');

export function toolContainerOf({ options }: Lab) {
  return engine.getContainer(`kiln-tool-${options.hostName}-${options.instance}`);
}

/** Runs a command in the tool container. @param user `uid:gid` */
export async function runAs(of: Lab, user: string, script: string): Promise<{ stdout: string; stderr: string }> {
  const exec = await toolContainerOf(of).exec({
    Cmd: ['sh', '-c', script],
    User: user,
    AttachStdout: true,
    AttachStderr: true,
  });
  const socket = await exec.start({ hijack: true, stdin: false });
  return await new ToolProcess(exec, socket).capture(20_000);
}

/**
 * Removes images that a test loaded or pushed, which leaves them in the engine too. All at once: before the engine answers, it looks through
 * all that it stores for what isn't needed any more, which it does once for requests that arrive together.
 */
export async function removeImages(tags: readonly string[]): Promise<void> {
  const remove = (tag: string) => engine.getImage(tag).remove({ force: true });
  await Promise.all(tags.map((tag) => remove(tag).catch(() => undefined)));
}

export interface Lab extends AsyncDisposable {
  readonly builder: Builder;
  readonly options: BuilderOptions;
  readonly warnings: string[];
}

/** Options of a separate builder on the real engine. The caller removes its scratch directory. @param note receives the messages of warnings */
export async function labOptions(
  fields: Partial<BuilderOptions> = {},
  note: (message: string) => void = () => {},
): Promise<BuilderOptions> {
  const warn = (_fields: object, message: string) => note(message);
  return {
    hostName: 'lab',
    instance: randomUUID().slice(0, 8),
    scratchDir: fields.scratchDir ?? (await mkdtemp(join(tmpdir(), 'kiln-lab-'))),
    driver: 'docker',
    toolImage: IMAGES.tool,
    buildkitImage: IMAGES.buildkit,
    log: { debug() {}, info() {}, warn, error: warn },
    pushRetries: { firstPauseMs: 20 },
    ...fields,
  };
}

/** Starts a separate builder on the real engine; disposing of it removes everything that belongs to it. */
export async function lab(fields: Partial<BuilderOptions> = {}): Promise<Lab> {
  const warnings: string[] = [];
  const options = await labOptions(fields, (message) => void warnings.push(message));
  const removeScratch = () => rm(options.scratchDir, { recursive: true, force: true });
  const builder = await Builder.start(options).catch(async (error: unknown) => {
    await removeScratch();
    throw error;
  });
  await builder.extendFence(Date.now() + FENCE_MS);
  return {
    builder,
    options,
    warnings,
    async [Symbol.asyncDispose]() {
      await builder.close();
      await removeScratch();
    },
  };
}

/** Removes the container and the caches of a lab's builder, with the driver `docker-container`. */
export async function removeBuilder({ options }: Lab): Promise<void> {
  const container = containerOf(builderName(options));
  await engine.getContainer(container).remove({ force: true });
  await engine.getVolume(`${container}_state`).remove();
}

export interface TestBuild {
  /** Default: the builder's. */
  readonly trust?: RunRequest['trust'];
  /** Default: the builder's. */
  readonly domain?: string;
  readonly dockerfile?: string;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly spec?: object;
  /** Whether its RUN steps have a network, which takes the engine 0.1 s of CPU time for each. Default: false. */
  readonly network?: boolean;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly registryLogins?: RunRequest['registryLogins'];
  readonly source?: RunRequest['source'];
  readonly contexts?: RunRequest['contexts'];
  readonly targets?: RunRequest['targets'];
  readonly repo?: string;
  readonly isWarm?: boolean;
  readonly artifact?: RunRequest['artifact'];
  readonly archive?: RunRequest['archive'];
  readonly sink?: RunRequest['sink'];
}

export interface RunningBuild {
  readonly outcome: Promise<Outcome>;
  readonly records: LogRecord[];
  /** References to which it has exported caches. */
  readonly exported: string[];
  readonly id: string;
  stop(reason: unknown): void;
  /** The steps' output so far. */
  output(): string;
}

let builds = 0;

/** Begins a build without waiting for it. */
export function begin(builder: Builder, build: TestBuild): RunningBuild {
  const records: LogRecord[] = [];
  const exported: string[] = [];
  const controller = new AbortController();
  const context = tar({ Dockerfile: build.dockerfile ?? '', ...build.files });
  const id = `lab${process.pid}x${builds++}`;
  const domain = build.domain ?? builder.info.domain;
  const spec = buildSpec.parse({
    source: { type: 'upload', name: 'lab' },
    secrets: Object.keys(build.secrets ?? {}),
    ...(build.network !== true && { networkMode: 'none' }),
    ...build.spec,
  });
  const outcome = builder.run(
    {
      buildId: id,
      attempt: 1,
      trust: build.trust ?? builder.info.trust,
      ...(domain !== undefined && { domain }),
      spec,
      cachePlaces: cachePlaces(spec, build.trust ?? builder.info.trust, true),
      repo: build.repo ?? 'lab',
      ...(build.isWarm !== undefined && { isWarm: build.isWarm }),
      source: build.source ?? { type: 'tar', open: async () => Readable.from([context]) },
      ...(build.contexts && { contexts: build.contexts }),
      ...(build.targets && { targets: build.targets }),
      secrets: new Map(Object.entries(build.secrets ?? {})),
      ...(build.registryLogins && { registryLogins: build.registryLogins }),
      ...(build.artifact && { artifact: build.artifact }),
      ...(build.archive && { archive: build.archive }),
      onExported: (refs) => void exported.push(...refs),
      sink(record) {
        records.push(record);
        return build.sink?.(record);
      },
    },
    controller.signal,
  );
  return {
    outcome,
    records,
    exported,
    id,
    stop: (reason) => controller.abort(reason),
    output: () => records.map((record) => (record.type === 'output' ? record.data : '')).join(''),
  };
}

/** Waits until `condition` is true. @throws Error after `timeoutMs` */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`condition not met within ${timeoutMs} ms: ${condition}`);
    await delay(50);
  }
}

/** Returns a number that no other process of the machine has among its arguments, for a `sleep` that the test looks for. */
export function uniqueSeconds(): string {
  return `9${process.pid}${Math.floor(Math.random() * 1e6)}`;
}

/**
 * Returns the pids on this machine, whose kernel the builders share, that have `argument` among their arguments. It reads synchronously:
 * tests poll this, and hundreds of reads by way of the thread pool take many times the CPU time.
 */
export async function processesWith(argument: string): Promise<string[]> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => commandLine(pid).split('\0').includes(argument));
}

/** The arguments of a process, each followed by a zero byte; empty if it has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
