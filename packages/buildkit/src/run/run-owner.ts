import type { ToolContainer } from '../tool/tool-container.ts';
import type { ToolProcess } from '../tool/tool-process.ts';
import type { ToolPaths } from '../tool/tool-scripts.ts';
import { ROOT } from '../tool/tool-user.ts';

/** Owners and groups, as the tool container sees them. */
interface Facts {
  /** `uid:gid` of this process. */
  readonly owner: string;
  /** Group that may use the engine's socket. */
  readonly socketGid: string;
}

interface Waiting {
  resolve(answer: string): void;
  reject(error: Error): void;
}

/** The helper process has ended; another one can be started. */
class HelperGone extends Error {}

/** Allows for changing the owners of many files. */
const ANSWER_TIMEOUT_MS = 120_000;

/**
 * Gives runs' files to the runs' own users, and takes them back. This process may lack the permission; root in the tool container has it. A
 * helper process there reads orders from its standard input, because an exec for each would cost more than most orders do.
 */
export class RunOwner {
  readonly #tool: ToolContainer;
  readonly #paths: ToolPaths;
  readonly #waiting = new Map<number, Waiting>();
  #helper: Promise<ToolProcess> | undefined;
  #facts: Promise<Facts> | undefined;
  #orders = 0;

  constructor(tool: ToolContainer, paths: ToolPaths) {
    this.#tool = tool;
    this.#paths = paths;
  }

  /** Makes sure that runs' users can use the engine's socket. @throws Error if only its owner may @throws EngineError */
  async check(): Promise<void> {
    await this.#known();
  }

  /**
   * Gives `dir` and everything below it to `uid` alone; returns the user, `uid:gid`, that buildx has to run as. Set-user-ID bits, which a change
   * of the owner clears, are restored from `<dir>.modes`.
   * @throws Error if that fails @throws EngineError
   */
  async give(dir: string, uid: number): Promise<string> {
    const { socketGid } = await this.#known();
    await this.#order(`give ${uid}:${uid} ${dir}`);
    return `${uid}:${socketGid}`;
  }

  /** Gives `dir` back to this process; removes the context in it, which is no longer needed. @throws as `give` */
  async reclaim(dir: string): Promise<void> {
    const { owner } = await this.#known();
    await this.#order(`take ${owner} ${dir}`);
  }

  /** Removes `dir`, whoever owns the files in it. @throws as `give` */
  async remove(dir: string): Promise<void> {
    await this.#order(`remove ${ROOT} ${dir}`);
  }

  async #known(): Promise<Facts> {
    this.#facts ??= this.#order(`facts ${ROOT} ${this.#paths.runs}`).then(readFacts);
    try {
      return await this.#facts;
    } catch (error) {
      this.#facts = undefined;
      throw error;
    }
  }

  /** Orders are idempotent, so one is repeated if its helper has ended. */
  async #order(order: string): Promise<string> {
    try {
      return await this.#orderOnce(order);
    } catch (error) {
      if (!(error instanceof HelperGone)) throw error;
      return await this.#orderOnce(order);
    }
  }

  async #orderOnce(order: string): Promise<string> {
    const helper = await this.#running();
    this.#orders += 1;
    const id = this.#orders;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.set(id, { resolve, reject });
    const timer = setTimeout(() => reject(new Error('the tool container does not answer')), ANSWER_TIMEOUT_MS);
    try {
      helper.write(`${id} ${order}\n`);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  async #running(): Promise<ToolProcess> {
    this.#helper ??= this.#start();
    try {
      return await this.#helper;
    } catch (error) {
      this.#helper = undefined;
      throw error;
    }
  }

  async #start(): Promise<ToolProcess> {
    const helper = await this.#tool.start({ argv: [this.#paths.own], user: ROOT, stdin: true });
    void this.#listen(helper);
    return helper;
  }

  /** Reads the helper's answers until it ends, with the container or by the fence. The next order starts another. */
  async #listen(helper: ToolProcess): Promise<void> {
    let text = '';
    for await (const { data } of helper.output()) {
      const lines = (text + data.toString()).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#answered(line);
    }
    this.#helper = undefined;
    for (const { reject } of this.#waiting.values()) reject(new HelperGone('the tool container was stopped'));
  }

  #answered(line: string): void {
    const [id, outcome, ...rest] = line.split(' ');
    const waiting = this.#waiting.get(Number(id));
    if (outcome === 'ok') waiting?.resolve(rest.join(' '));
    else waiting?.reject(new Error(`the owner of a run's files could not be changed: ${rest.join(' ')}`));
  }
}

function readFacts(answer: string): Facts {
  const [owner = '', socketGid = '', mode = ''] = answer.split(' ');
  // Using the socket requires write permission.
  if ((Number.parseInt(mode, 8) & 0o022) === 0) {
    throw new Error(`the engine's socket: got mode ${mode}, expected one that lets its group write, such as 660`);
  }
  return { owner, socketGid };
}
