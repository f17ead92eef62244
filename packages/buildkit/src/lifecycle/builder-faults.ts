import type { BuilderFault } from '@kiln/domain';
import type Docker from 'dockerode';
import type { Logger } from '../engine/logger.ts';
import type { RunOutcome } from '../outcome/outcome.ts';
import { daemonFault } from './daemon-state.ts';
import { type DiskRoom, diskRoom, isFull, staysFull } from './disk-room.ts';

/** Where BuildKit's image stores its state. */
const STATE_DIR = '/var/lib/buildkit';

export interface FaultSources {
  readonly engine: Docker;
  /** The builder's own container; undefined if it is a part of the engine. */
  readonly container: string | undefined;
  /** The tool container, whose root is on the engine's disk. */
  readonly tool: string;
  readonly log: Logger;
}

/** Finds out what an error alone doesn't tell: whether a builder's daemon was killed, and whether its disk is full. */
export class BuilderFaults {
  readonly #sources: FaultSources;

  constructor(sources: FaultSources) {
    this.#sources = sources;
  }

  /** Adds the builder's fault to the outcome of a run that began at `sinceMs`, if that is why it failed. Never rejects. */
  async explain(outcome: RunOutcome, sinceMs: number): Promise<RunOutcome> {
    if (outcome.fault || outcome.end !== 'failed') return outcome;
    try {
      const fault = await this.#faultOf(outcome, sinceMs);
      if (!fault) return outcome;
      return { ...outcome, failure: { code: 'infrastructure', message: fault.message }, fault };
    } catch (error) {
      this.#sources.log.warn({ err: error }, 'state of the builder could not be determined');
      return outcome;
    }
  }

  /** @throws Error if its disk is full, or can't be measured */
  async checkDisk(): Promise<void> {
    const room = await this.#room();
    if (isFull(room)) throw new Error(fullText(room));
  }

  async #faultOf({ failure }: RunOutcome, sinceMs: number): Promise<BuilderFault | undefined> {
    const { engine, container } = this.#sources;
    if (failure?.code === 'infrastructure' && container !== undefined)
      return await daemonFault(engine, container, sinceMs);
    if (failure?.code !== 'disk_full' || !(await staysFull(() => this.#room()))) return undefined;
    return { state: 'disk_full', message: fullText(await this.#room()), ...(failure.step && { step: failure.step }) };
  }

  #room(): Promise<DiskRoom> {
    const { engine, container, tool } = this.#sources;
    return container === undefined ? diskRoom(engine, tool, '/') : diskRoom(engine, container, STATE_DIR);
  }
}

function fullText({ freeBytes, totalBytes }: DiskRoom): string {
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  return `the disk of BuildKit’s state is full: ${mb(freeBytes)} of ${mb(totalBytes)} free, also without this build`;
}
