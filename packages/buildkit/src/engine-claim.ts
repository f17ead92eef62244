import type { Trust } from '@kiln/domain';
import type Docker from 'dockerode';
import { callEngine, hasStatus } from './engine.ts';

const MARKER = 'kiln-engine-trust';
const LABEL = 'kiln.trust';
const PRUNE = 'docker builder prune --all';

/** The engine's own BuildKit has been another class's, or may have been anybody's. */
export class EngineNotApart extends Error {
  readonly code = 'engine_not_apart';
}

/**
 * Makes the engine's own BuildKit, which is one for all that use the engine, that of builds of one class, for good. Which one it is
 * stands in the engine itself, as a label of an empty volume, because that is where the caches are: a worker's directory may be lost, and several may
 * share an engine.
 * @param isEmpty whether BuildKit holds nothing of any build
 * @throws EngineNotApart @throws EngineError
 */
export async function claimEngine(engine: Docker, trust: Trust, isEmpty: () => Promise<boolean>): Promise<void> {
  let owner = await ownerOf(engine);
  if (owner === undefined) {
    if (trust === 'untrusted' && !(await isEmpty())) {
      throw new EngineNotApart(
        `the engine’s BuildKit holds caches of earlier builds, which untrusted builds would find: run ${PRUNE} first`,
      );
    }
    await callEngine('mark the engine', (abortSignal) =>
      engine.createVolume({ Name: MARKER, Labels: { [LABEL]: trust }, abortSignal }),
    );
    // Where somebody else was faster the volume is theirs.
    owner = await ownerOf(engine);
  }
  if (owner === trust) return;
  throw new EngineNotApart(
    `the engine’s BuildKit is that of ${owner} builds, as its volume ${MARKER} says, and can’t take ${trust} ones. ` +
      `To change that, stop whoever uses it and run ${PRUNE} && docker volume rm ${MARKER}`,
  );
}

async function ownerOf(engine: Docker): Promise<string | undefined> {
  try {
    const { Labels } = await callEngine('read the engine’s mark', (abortSignal) =>
      engine.getVolume(MARKER).inspect({ abortSignal }),
    );
    return Labels?.[LABEL] ?? 'unknown';
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}
