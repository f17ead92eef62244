import { type BakeInput, MAX_BAKE_DEFINITION_BYTES } from '@kiln/contracts';
import { byteString, padding, tarEnd, tarHeaders } from '@kiln/trees';
import type Docker from 'dockerode';
import { removeContainer } from '../engine/containers.ts';
import { FrameDemuxer } from '../engine/demux-frames.ts';
import { callEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/engine-images.ts';

const DIR = '/kiln-bake';
/** Nobody's: the files are readable by all. */
const USER = '65534:65534';
const PULL_TIMEOUT_MS = 600_000;
const RUN_TIMEOUT_MS = 30_000;
/** HCL can multiply texts. */
const MEMORY_BYTES = 256 * 1024 * 1024;
const PIDS = 64;
const FILE_MODE = 0o644;

/** The bake files are wrong; the message is buildx's. */
export class BakeInvalid extends Error {}

export interface BakeHost {
  readonly engine: Docker;
  /** An image with `docker-buildx`. */
  readonly image: string;
  /** Labels of the container, by which it is found if this process dies. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Evaluates bake files with `docker-buildx bake --print`, in a container without a network, an engine and any file but theirs. Returns what it printed.
 * @throws BakeInvalid @throws EngineError @throws the signal's reason
 */
export async function evaluateBake(host: BakeHost, input: BakeInput, signal: AbortSignal): Promise<string> {
  const { engine, image, labels } = host;
  await ensureImage(engine, image, PULL_TIMEOUT_MS);
  signal.throwIfAborted();
  const container = await callEngine('create a container for bake files', (abortSignal) =>
    engine.createContainer({
      Image: image,
      Entrypoint: ['docker-buildx'],
      Cmd: bakeArgs(input),
      Env: [...variablesOf(input), 'BUILDX_CONFIG=/tmp/buildx', 'DOCKER_CONFIG=/tmp/docker', 'BUILDX_GIT_INFO=false'],
      User: USER,
      WorkingDir: DIR,
      Labels: { ...labels },
      HostConfig: {
        NetworkMode: 'none',
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Memory: MEMORY_BYTES,
        MemorySwap: MEMORY_BYTES,
        PidsLimit: PIDS,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '8m' } },
      },
      abortSignal,
    }),
  );
  try {
    await callEngine('copy the bake files', (abortSignal) =>
      container.putArchive(tarOf(input.files), { path: DIR, abortSignal }),
    );
    await callEngine('start a container for bake files', (abortSignal) => container.start({ abortSignal }));
    const { StatusCode: code } = (await callEngine(
      'wait for bake files',
      (abortSignal) => container.wait({ abortSignal: AbortSignal.any([abortSignal, signal]) }),
      RUN_TIMEOUT_MS,
    )) as { StatusCode: number };
    const { stdout, stderr } = split(await callEngine('read what was printed', () => container.logs(BOTH)));
    if (code !== 0) throw new BakeInvalid(faultOf(stderr) || `docker buildx bake --print ended with exit code ${code}`);
    if (Buffer.byteLength(stdout) > MAX_BAKE_DEFINITION_BYTES)
      throw new BakeInvalid(`the definition has more than ${MAX_BAKE_DEFINITION_BYTES} bytes`);
    return stdout;
  } finally {
    await removeContainer(engine, container.id);
  }
}

const BOTH = { stdout: true, stderr: true } as const;

function bakeArgs({ names, set, flags, targets }: BakeInput): string[] {
  return [
    'bake',
    '--print',
    ...names.map((name) => `--file=${name}`),
    ...set.map((each) => `--set=${each}`),
    ...flags.map((flag) => `--${flag}`),
    '--',
    ...targets,
  ];
}

/** PATH is the container's own. */
function variablesOf({ variables }: BakeInput): string[] {
  return Object.entries(variables).flatMap(([name, value]) => (name === 'PATH' ? [] : [`${name}=${value}`]));
}

function tarOf(files: BakeInput['files']): Buffer {
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const [path, content] = [byteString(name), Buffer.from(text)];
    const entry = {
      path,
      type: 'file',
      mode: FILE_MODE,
      sizeBytes: content.length,
      contentId: '',
      mtimeNs: 0n,
    } as const;
    return [tarHeaders(entry, path, 0n), content, padding(content.length)];
  });
  const tar = Buffer.concat(parts);
  return Buffer.concat([tar, tarEnd(tar.length)]);
}

function split(log: Buffer): { stdout: string; stderr: string } {
  const printed = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  for (const { stream, data } of new FrameDemuxer().push(log)) printed[stream].push(data);
  return { stdout: Buffer.concat(printed.stdout).toString(), stderr: Buffer.concat(printed.stderr).toString() };
}

/** Leaves out the progress of reading the files. */
function faultOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '' && !/^#\d+ /.test(line));
  return lines.join('\n').replace(/^ERROR: /m, '');
}
