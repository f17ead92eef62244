import type { ResealReport } from '@kiln/contracts';
import type { Resealer, Resealing } from '@kiln/state';
import type { Logger } from 'pino';

/** Reseals in the background what is sealed with an older key, and logs what was resealed and what is unreadable. */
export async function resealAll(resealer: Pick<Resealer, 'run'>, log: Logger, signal: AbortSignal): Promise<void> {
  const { keyId, stored, builds } = viewResealing(await resealer.run({ signal }));
  if (stored.resealed + builds.resealed > 0) {
    log.info({ keyId, stored: stored.resealed, builds: builds.resealed }, 'secrets sealed with the first key');
  }
  if (stored.unreadable.length + builds.unreadable > 0) {
    log.warn({ keyId, stored: stored.unreadable, builds: builds.unreadable }, 'secrets are unreadable');
  }
}

/** The report of a resealing. */
export function viewResealing({ keyId, stored, builds }: Resealing): ResealReport {
  return {
    keyId,
    stored: {
      ...stored,
      unreadable: stored.unreadable.map(({ secret: { team, repo, kind, name, keyId: sealedWith }, reason }) => ({
        ...{ team, ...(repo !== undefined && { repo }), kind, name },
        ...{ keyId: sealedWith, reason },
      })),
    },
    builds,
  };
}
