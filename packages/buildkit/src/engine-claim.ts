import { domainText, readDomain, type Trust } from '@kiln/domain';
import type Docker from 'dockerode';
import { callEngine, hasStatus } from './engine.ts';

const MARKER = 'kiln-engine-trust';
const LABEL = 'kiln.trust';
const DOMAIN_MARKER = 'kiln-engine-domain';
const DOMAIN_LABEL = 'kiln.domain';
const PRUNE = 'docker builder prune --all';

/** The engine's own BuildKit has been another class's, or may have been anybody's. */
export class EngineNotApart extends Error {
  readonly code: string = 'engine_not_apart';
}

/** The engine's own BuildKit is another isolation domain's. */
export class EngineTaken extends EngineNotApart {
  override readonly code = 'engine_taken';
  /** The domain that it is claimed for. */
  readonly domain: string;

  constructor(owner: string, wanted: string) {
    super(
      `the engine’s BuildKit is for ${domainText(owner)} only, as its volume ${DOMAIN_MARKER} says; got ${domainText(wanted)}. ` +
        `To give it to others, stop what uses it and run ${PRUNE} && docker volume rm ${DOMAIN_MARKER}`,
    );
    this.domain = owner;
  }
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

/**
 * Makes the engine's own BuildKit that of one isolation domain, for good, as `claimEngine` does it for a class: whoever comes first. Of two that come
 * at once the engine lets one create the mark. Who says that all teams share it opens an engine that was one team's; back again it takes an empty one.
 * @throws EngineTaken @throws EngineError
 */
export async function claimDomain(engine: Docker, domain: string): Promise<void> {
  let owner = await engineDomain(engine);
  if (owner !== undefined && isWiderThan(domain, owner)) {
    await callEngine('remove the engine’s mark', (abortSignal) =>
      engine.getVolume(DOMAIN_MARKER).remove({ abortSignal }),
    );
    owner = undefined;
  }
  if (owner === undefined) {
    await callEngine('mark the engine', (abortSignal) =>
      engine.createVolume({ Name: DOMAIN_MARKER, Labels: { [DOMAIN_LABEL]: domain }, abortSignal }),
    );
    owner = await engineDomain(engine);
  }
  if (owner !== domain) throw new EngineTaken(owner ?? 'unknown', domain);
}

/** Whether `domain` is the pool's builds of the class that `owner` is a part of. */
function isWiderThan(domain: string, owner: string): boolean {
  const [wider, narrower] = [readDomain(domain), readDomain(owner)];
  return wider?.isolation === 'pool' && narrower?.trust === wider.trust && narrower.isolation !== 'pool';
}

/** The isolation domain that the engine's own BuildKit is claimed for; undefined where it is for none yet. @throws EngineError */
export function engineDomain(engine: Docker): Promise<string | undefined> {
  return labelOf(engine, DOMAIN_MARKER, DOMAIN_LABEL);
}

function ownerOf(engine: Docker): Promise<string | undefined> {
  return labelOf(engine, MARKER, LABEL);
}

async function labelOf(engine: Docker, volume: string, label: string): Promise<string | undefined> {
  try {
    const { Labels } = await callEngine('read the engine’s mark', (abortSignal) =>
      engine.getVolume(volume).inspect({ abortSignal }),
    );
    return Labels?.[label] ?? 'unknown';
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}
