import type { DeliveryView } from '@kiln/contracts';
import { CONTEXT_PREFIX } from '@kiln/forges';
import type { StoredDelivery } from '@kiln/state';
import { ReportStore } from '@kiln/state';
import { instant } from '../../http/answer.ts';
import type { HookDeps } from '../ports.ts';

/** A delivery as clients see it, without its reports. */
export function viewDelivery(delivery: StoredDelivery): DeliveryView {
  const { id, connection, forge, team, forgeId, state, receivedAt, finishedAt, tries, retryAt, failure } = delivery;
  const outcomes = delivery.outcomes;
  const images = outcomes.flatMap((one) => one.images);
  const why = images.flatMap((one) => (one.build === undefined && one.why ? [`${one.image}: ${one.why}`] : []));
  return {
    ...{ id, connection, forge, team, forgeId, state, receivedAt: instant(receivedAt), tries },
    ...(finishedAt !== undefined && { finishedAt: instant(finishedAt) }),
    ...(retryAt !== undefined && { retryAt: instant(retryAt) }),
    ...(failure && { failure }),
    builds: images.flatMap(({ build }) => (build === undefined ? [] : [build])),
    reasons: unique([
      ...outcomes.flatMap(({ none }) => (none === undefined ? [] : [none])),
      ...why,
      ...(failure ? [failure.message] : []),
    ]),
    events: [...outcomes],
  };
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** A delivery as clients see it, with what was reported to the forge. */
export async function viewWholeDelivery(
  delivery: StoredDelivery,
  reports: Pick<HookDeps['reports'], 'get'>,
): Promise<DeliveryView> {
  const { connection } = delivery;
  const targets = delivery.outcomes.flatMap(({ repository, commit, images }) => {
    if (repository === undefined || commit === undefined) return [];
    const contexts = images.filter(({ build }) => build).map(({ image }) => `${CONTEXT_PREFIX}${image}`);
    return [CONFIG_CONTEXT, ...contexts].map((context) => ({ connection, repository, commit, context }));
  });
  const found = await Promise.all(targets.map((target) => reports.get(ReportStore.idOf(target))));
  return {
    ...viewDelivery(delivery),
    reports: found
      .filter((one) => one !== undefined)
      .map(({ context, commit, build, sent, why, gaveUp }) => ({
        ...{ context, commit, gaveUp },
        ...(build !== undefined && { build }),
        ...(sent && { reported: sent.state }),
        ...(why !== undefined && { why }),
      })),
  };
}

/** The name of the status that reports an invalid configuration. */
export const CONFIG_CONTEXT = 'kiln';
