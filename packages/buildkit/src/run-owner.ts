import type { ToolContainer } from './tool-container.ts';
import type { ToolProcess } from './tool-process.ts';
import type { ToolPaths } from './tool-scripts.ts';
import { ROOT } from './tool-user.ts';

/** Who things belong to in the tool container, and what the engine's socket wants of those who use it. */
interface Facts {
  /** `uid:gid` of this process, as the container sees it. */
  readonly owner: string;
  /** Group that may use the engine's socket. */
  readonly socketGid: string;
}

interface Waiting {
  resolve(answer: string): void;
  reject(error: Error): void;
}

/** The process that obeys has ended; another can be started. */
class HelperGone extends Error {}

/** Changing the owners of many files takes a moment, but not more. */
const ANSWER_TIMEOUT_MS = 120_000;

/**
 * Gives runs' files to the runs' own users, and takes them back. This process may lack the right to; root of the tool container has it. One small
 * process there waits for orders on its standard input, since an exec for each would cost more than most of what it does.
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

  /** Makes sure that runs' users can do what they have to. @throws Error where the engine's socket is closed to all users but its owner */
  async check(): Promise<void> {
    await this.#known();
  }

  /**
   * Makes `dir` and all below it `uid`'s alone; answers as whom, `uid:gid`, its buildx is to run. Set-user-ID bits, which a change of the owner
   * takes away, come back as `<dir>.modes` has them. @throws Error where it can't be done; EngineError
   */
  async give(dir: string, uid: number): Promise<string> {
    const { socketGid } = await this.#known();
    await this.#order(`give ${uid}:${uid} ${dir}`);
    return `${uid}:${socketGid}`;
  }

  /** Makes what buildx left in `dir` this process's again; contexts, which nobody reads any more, are removed. @throws as `give` */
  async reclaim(dir: string): Promise<void> {
    const { owner } = await this.#known();
    await this.#order(`take ${owner} ${dir}`);
  }

  /** Removes `dir`, whoever has written in it. @throws as `give` */
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

  /** All orders may be given twice. */
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

  /** Until it ends: with the container, or killed by the fence. Whoever comes next starts another. */
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
    else waiting?.reject(new Error(`a run's files could not be given to it: ${rest.join(' ')}`));
  }
}

function readFacts(answer: string): Facts {
  const [owner = '', socketGid = '', mode = ''] = answer.split(' ');
  // Writing to it is what it takes.
  if ((Number.parseInt(mode, 8) & 0o022) === 0) {
    throw new Error(`the engine's socket has the mode ${mode}, expected one that its group may write to, such as 660`);
  }
  return { owner, socketGid };
}
