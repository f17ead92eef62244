import {
  type ByteString,
  commonTime,
  type FileContent,
  type ListedFile,
  padding,
  secondsText,
  type TimedEntry,
  type TreeChanges,
  tarEnd,
  tarHeaders,
  toBytes,
} from '@kiln/trees';
import type { ToolContainer } from '../tool/tool-container.ts';
import type { ToolProcess } from '../tool/tool-process.ts';

/** The disk has no room for a tree. */
export class TreeDiskFull extends Error {}

/** A tree couldn't be changed, perhaps because it isn't what it should be. */
export class TreeNotChanged extends Error {}

/** A user, and the only directory that it may change. */
export interface TreePlace {
  readonly dir: string;
  readonly uid: number;
}

/** A file beside a tree, such as a Dockerfile's copy. */
export interface BesideFile {
  readonly name: ByteString;
  readonly content: Buffer;
}

/** Orders for the script `kiln-tree`. */
export interface TreeOrders {
  /** Whether to remove all content first. */
  readonly clears: boolean;
  readonly changes: TreeChanges;
  /** What the directory `dockerfile` has from now on; undefined if it stays. */
  readonly beside: readonly BesideFile[] | undefined;
  readonly besideNs: bigint;
  contents(files: readonly ListedFile[]): AsyncIterable<FileContent>;
}

/** Many small chunks would cost a system call each. */
const CHUNK_BYTES = 256 * 1024;
/** Only ends abandoned processes: a run has its own time limit. */
const TIMEOUT_MS = 86_400_000;
const END_WAIT_MS = 10_000;
const CONTEXT = 'context';
const BESIDE = 'dockerfile';

/** A running `kiln-tree`. Disposing of one that was not used ends it, before another process of its user may start. */
export class TreeProcess implements AsyncDisposable {
  readonly #process: ToolProcess;
  readonly #ended: ReturnType<ToolProcess['capture']>;
  #hasEnded = false;

  private constructor(process: ToolProcess) {
    this.#process = process;
    this.#ended = process.capture(TIMEOUT_MS).finally(() => {
      this.#hasEnded = true;
    });
  }

  /** Ends all other processes of the tree's user. @throws EngineError */
  static async start(
    tool: Pick<ToolContainer, 'start'>,
    script: string,
    { dir, uid }: TreePlace,
  ): Promise<TreeProcess> {
    return new TreeProcess(
      await tool.start({ argv: [script, dir], user: `${uid}:${uid}`, stdin: true, mayPrintFirst: true }),
    );
  }

  /**
   * Carries out orders in a tree as the tree's own user, once. If this throws, the tree has an unknown content.
   * @throws TreeDiskFull @throws TreeNotChanged @throws what the contents throw @throws the signal's reason
   */
  async carryOut(orders: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const stop = () => this.#process.abandon();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      signal?.throwIfAborted();
      // While a chunk is sent, the next one is made.
      let sending = Promise.resolve();
      for await (const chunk of orders) {
        await sending;
        if (this.#hasEnded) break;
        signal?.throwIfAborted();
        sending = this.#process.send(chunk);
      }
      await sending;
      this.#process.endInput();
    } catch (error) {
      stop();
      await this.#ended;
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    const { exitCode, stderr } = await this.#ended;
    signal?.throwIfAborted();
    if (exitCode === 0) return;
    // These programs report an error only as text.
    if (/No space left on device|Disk quota exceeded/.test(stderr)) throw new TreeDiskFull(stderr.trim());
    throw new TreeNotChanged(
      `the working tree could not be changed: exit code ${exitCode ?? 'unknown'}: ${stderr.trim().slice(0, 1000)}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    this.#process.endInput();
    // Without input it ends at once, unless the engine hangs.
    const timer = setTimeout(() => this.#process.abandon(), END_WAIT_MS);
    await this.#ended.finally(() => clearTimeout(timer));
  }
}

/** Returns the input of `kiln-tree` that removes the whole tree. */
export async function* clearing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('clear - 0\n');
}

/** Returns the input of `kiln-tree` for these orders. */
export async function* inputOf(orders: TreeOrders): AsyncGenerator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const part of parts(orders)) {
    chunks.push(part);
    length += part.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.concat(chunks);
    chunks = [];
    length = 0;
  }
  yield Buffer.concat(chunks);
}

async function* parts(orders: TreeOrders): AsyncGenerator<Uint8Array> {
  const { clears, changes, beside } = orders;
  if (clears) yield* clearing();
  yield order('loosen', '-', changes.loosened);
  yield order('remove', '-', changes.removed);
  if (beside) yield Buffer.from(`remove - ${BESIDE.length + 1}\n${BESIDE}\0`);
  for (const [mode, paths] of changes.modes) yield order('mode', mode.toString(8).padStart(4, '0'), paths);
  for (const [ns, paths] of changes.times) yield order('time', secondsText(ns), paths);
  if (!clears && !beside && changes.written.length === 0) return;
  yield Buffer.from('extract - 0\n');
  let written = 0;
  for await (const part of tarParts(orders)) {
    written += part.length;
    yield part;
  }
  yield tarEnd(written);
}

function order(verb: string, argument: string, paths: readonly ByteString[]): Buffer {
  if (paths.length === 0) return Buffer.alloc(0);
  const list = Buffer.concat(paths.map((path) => toBytes(`${CONTEXT}/${path}\0` as ByteString)));
  return Buffer.concat([Buffer.from(`${verb} ${argument} ${list.length}\n`), list]);
}

async function* tarParts({ changes, beside, besideNs, contents }: TreeOrders): AsyncGenerator<Uint8Array> {
  const { written } = changes;
  const common = mostCommon(written.map(({ mtimeNs }) => mtimeNs)) ?? besideNs;
  yield commonTime(common);
  yield tarHeaders(directory(CONTEXT, besideNs), CONTEXT as ByteString, common);
  const head = (entry: TimedEntry) => tarHeaders(entry, `${CONTEXT}/${entry.path}` as ByteString, common);
  const full = new Map<ByteString, Extract<TimedEntry, { type: 'file' }>>();
  for (const entry of written) {
    if (entry.type === 'file' && entry.sizeBytes > 0) full.set(entry.path, entry);
    else yield head(entry);
  }
  for await (const { file, content } of contents([...full.values()])) {
    const entry = full.get(file.path);
    if (!entry) continue;
    full.delete(file.path);
    yield head(entry);
    yield* exactly(content, entry);
    yield padding(entry.sizeBytes);
  }
  const [missing] = full.keys();
  if (missing !== undefined) throw new Error(`${JSON.stringify(missing)}: its content was not read`);
  if (!beside) return;
  yield tarHeaders(directory(BESIDE, besideNs), BESIDE as ByteString, common);
  for (const { name, content } of beside) {
    const path = `${BESIDE}/${name}` as ByteString;
    const file = {
      type: 'file',
      path,
      mode: 0o644,
      sizeBytes: content.length,
      contentId: '',
      mtimeNs: besideNs,
    } as const;
    yield tarHeaders(file, path, common);
    yield content;
    yield padding(content.length);
  }
}

/** A wrong length would make the rest of the tar into something else. */
async function* exactly(
  content: AsyncIterable<Uint8Array>,
  { path, sizeBytes }: ListedFile,
): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const chunk of content) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0)
    throw new Error(`${JSON.stringify(path)}: got content of another length, expected ${sizeBytes} bytes`);
}

function directory(name: string, mtimeNs: bigint): TimedEntry {
  return { type: 'directory', path: name as ByteString, mode: 0o755, contentId: '', mtimeNs };
}

function mostCommon(values: readonly bigint[]): bigint | undefined {
  const counts = new Map<bigint, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best: bigint | undefined;
  for (const [value, count] of counts) if (count > (best === undefined ? 0 : (counts.get(best) ?? 0))) best = value;
  return best;
}
