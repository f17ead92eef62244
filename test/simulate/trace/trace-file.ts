import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { lineIssue, shown } from '../line-issue.ts';
import { CLASSES } from './make-trace.ts';
import { fillRuns, type RecordedBuild } from './recorded.ts';
import type { HostChange, HostSpec, Trace } from './trace.ts';

/** A trace file that can't be read, or a line of it that is invalid. */
export class TraceFileError extends Error {
  readonly code = 'bad_trace';
}

const text = z.string().min(1);
const time = z.number().min(0);
const hostSpec = { host: text, slots: z.int().min(1).max(4_096), disk: z.number().positive() };
const traceLine = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('host'), t: time.default(0), ...hostSpec }),
  z.strictObject({ type: z.literal('drain'), t: time, host: text }),
  z.strictObject({ type: z.literal('down'), t: time, host: text }),
  z.strictObject({
    type: z.literal('build'),
    build: text,
    submitted: time,
    repo: text,
    size: z.number().positive().default(1),
    team: z.string().default(''),
    priority: z.enum(['interactive', 'normal', 'batch']).default('normal'),
    weight: z.int().min(1).default(1),
    dep: z.int().min(0).default(0),
    run: z.union([
      z.strictObject({ warm: z.number().positive(), stale: z.number().positive(), cold: z.number().positive() }),
      z.strictObject({ seconds: z.number().positive(), warmth: z.number().min(0).max(1) }),
    ]),
  }),
]);
type TraceLine = z.output<typeof traceLine>;

/**
 * Reads a trace from JSON lines (docs/develop/placement.md). For runs recorded at one warmth, the durations at the others are estimated from the
 * repo's and all repos' builds in the trace.
 * @throws TraceFileError
 */
export async function readTrace(path: string): Promise<Trace> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new TraceFileError(`${path}: can't be read (${error.code ?? error.message})`);
  });
  const lines = content
    .split('\n')
    .map((line, i) => [line.trim(), i + 1] as const)
    .filter(([line]) => line !== '')
    .map(([line, number]) => readLine(line, `${path}:${number}`));
  return toTrace(lines, path);
}

function readLine(line: string, where: string): TraceLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new TraceFileError(`${where}: line: got ${shown(line)}, expected a JSON object`);
  }
  const parsed = traceLine.safeParse(value);
  if (parsed.success) return parsed.data;
  const { field, got, expected } = lineIssue(value, parsed.error);
  throw new TraceFileError(`${where}: ${field}: got ${got}, expected ${expected}`);
}

function toTrace(lines: readonly TraceLine[], path: string): Trace {
  const hosts: HostSpec[] = [];
  const changes: HostChange[] = [];
  const builds: RecordedBuild[] = [];
  for (const line of lines) {
    if (line.type === 'host') {
      const { t, host, slots, disk } = line;
      if (t === 0) hosts.push({ host, slots, disk });
      else changes.push({ type: 'up', t, host, slots, disk });
    } else if (line.type === 'build') {
      const { type: _, priority, ...build } = line;
      builds.push({ ...build, prio: CLASSES.find(({ name }) => name === priority)?.prio ?? 1 });
    } else {
      changes.push(line);
    }
  }
  if (hosts.length === 0) throw new TraceFileError(`${path}: got no host at t 0, expected at least one`);
  if (builds.length === 0) throw new TraceFileError(`${path}: got no build, expected at least one`);
  const widest = Math.max(...hosts.map(({ slots }) => slots));
  const tooWide = builds.find(({ weight }) => weight > widest);
  if (tooWide) {
    throw new TraceFileError(
      `${path}: build ${tooWide.build}: weight: got ${tooWide.weight}, expected at most ${widest}, the widest host`,
    );
  }
  return {
    name: path,
    hosts,
    changes: changes.sort((a, b) => a.t - b.t),
    builds: fillRuns(builds).sort((a, b) => a.submitted - b.submitted),
    classes: CLASSES,
    measureFrom: 0,
  };
}

/** Writes a trace that `readTrace` reads back unchanged. */
export async function writeTrace(path: string, { hosts, changes, builds }: Trace): Promise<void> {
  const lines: object[] = [
    ...hosts.map((host) => ({ type: 'host', ...host })),
    ...changes.map((change) => (change.type === 'up' ? { ...change, type: 'host' } : change)),
    ...builds.map(({ prio, ...build }) => ({
      type: 'build',
      ...build,
      priority: CLASSES.find((one) => one.prio === prio)?.name ?? 'normal',
    })),
  ];
  await writeFile(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
}
