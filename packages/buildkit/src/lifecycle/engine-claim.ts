import { domainText, readDomain, type Trust } from '@kiln/domain';
import type Docker from 'dockerode';
import { callEngine, hasStatus } from '../engine/engine.ts';

const MARKER = 'kiln-engine-trust';
const LABEL = 'kiln.trust';
const DOMAIN_MARKER = 'kiln-engine-domain';
const DOMAIN_LABEL = 'kiln.domain';
const PRUNE = 'docker builder prune --all';

/** The engine's own BuildKit belongs to another trust class, or has caches of unknown builds. */
export class EngineNotApart extends Error {
  readonly code: string = 'engine_not_apart';
}

/** The engine's own BuildKit belongs to another isolation domain. */
export class EngineTaken extends EngineNotApart {
  override readonly code = 'engine_taken';
  /** The domain for which it is claimed. */
  readonly domain: string;

  constructor(owner: string, wanted: string) {
    super(
      `the engine’s BuildKit is claimed for ${domainText(owner)} by its volume ${DOMAIN_MARKER}, got ${domainText(wanted)}. ` +
        `To release it, stop everything that uses it and run ${PRUNE} && docker volume rm ${DOMAIN_MARKER}`,
    );
    this.domain = owner;
  }
}

/**
 * Claims the engine's own BuildKit, which everything that uses the engine shares, for builds of one class, permanently. The claim is stored in the
 * engine itself, as a label of an empty volume, because the caches are there too: a worker's directory may be lost, and several workers may share an
 * engine.
 * @param isEmpty whether BuildKit has no caches of builds
 * @throws EngineNotApart @throws EngineError
 */
export async function claimEngine(engine: Docker, trust: Trust, isEmpty: () => Promise<boolean>): Promise<void> {
  let owner = await ownerOf(engine);
  if (owner === undefined) {
    if (trust === 'untrusted' && !(await isEmpty())) {
      throw new EngineNotApart(
        `the engine’s BuildKit has caches of earlier builds, which untrusted builds could read: run ${PRUNE} first`,
      );
    }
    await callEngine('mark the engine', (abortSignal) =>
      engine.createVolume({ Name: MARKER, Labels: { [LABEL]: trust }, abortSignal }),
    );
    // If another worker was faster, the volume is its.
    owner = await ownerOf(engine);
  }
  if (owner === trust) return;
  throw new EngineNotApart(
    `the engine’s BuildKit is claimed for ${owner} builds by its volume ${MARKER}, got ${trust}. ` +
      `To release it, stop everything that uses it and run ${PRUNE} && docker volume rm ${MARKER}`,
  );
}

/**
 * Claims the engine's own BuildKit for one isolation domain, permanently, as `claimEngine` does for a class. The first claim wins; of two concurrent
 * ones the engine lets one create the volume. A claim for all of the pool replaces that of one of its teams, but not the other way round.
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

/** Whether `domain` is all of the pool's builds of a class, of which `owner` is a part. */
function isWiderThan(domain: string, owner: string): boolean {
  const [wider, narrower] = [readDomain(domain), readDomain(owner)];
  return wider?.isolation === 'pool' && narrower?.trust === wider.trust && narrower.isolation !== 'pool';
}

/** Returns the isolation domain for which the engine's own BuildKit is claimed, if any. @throws EngineError */
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
