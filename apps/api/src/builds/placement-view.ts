import type { PlacementInfoView } from '@kiln/contracts';
import { type BuildRecord, currentAttempt, isolationDomain, type Prediction, readDomain } from '@kiln/domain';
import type { StoredDecision } from '@kiln/state';
import { instant } from '../http/answer.ts';

type DecisionView = PlacementInfoView['decisions'][number];

/** The view of a build's placement decisions: what was predicted, and what happened. */
export function viewPlacement(record: BuildRecord, decisions: readonly StoredDecision[]): PlacementInfoView {
  return { build: record.id, decisions: decisions.map((decision) => viewDecision(record, decision)) };
}

function viewDecision(record: BuildRecord, decision: StoredDecision): DecisionView {
  const { attempt, host, reason, limit, decidedAt, predicted, considered, others } = decision;
  const actual = host === null ? undefined : actualOf(record, decision);
  return {
    attempt,
    host,
    reason,
    ...(limit !== undefined && { limit }),
    decidedAt: instant(decidedAt),
    ...(predicted && { predicted: viewPrediction(predicted) }),
    considered: considered.map(({ predicted: expected, extras, ...one }) => ({
      host: one.host,
      slots: one.slots,
      usedSlots: one.usedSlots,
      warmth: one.warmth,
      verdict: one.verdict,
      ...(one.serves !== undefined && { serves: servedFor(record.team, one.serves) }),
      ...(one.seeding && { seeding: { from: one.seeding.from, readyAt: instant(one.seeding.readyAt) } }),
      ...(expected && { predicted: viewPrediction(expected) }),
      ...(extras && { extras: { ...extras } }),
    })),
    ...(others && { others: { ...others } }),
    ...(actual && { actual }),
  };
}

function viewPrediction({ startAt, finishAt, runMs, warmth }: Prediction): NonNullable<DecisionView['predicted']> {
  return { startAt: instant(startAt), finishAt: instant(finishAt), runMs: Math.round(runMs), warmth };
}

/** What happened; undefined until the attempt has started. Steps are known only of the last attempt. */
function actualOf(record: BuildRecord, { attempt: number, decidedAt }: StoredDecision): DecisionView['actual'] {
  const attempt = record.attempts.find((one) => one.number === number);
  if (attempt?.startedAt === undefined) return undefined;
  const { startedAt, endedAt, end, failure } = attempt;
  const steps = attempt === currentAttempt(record) ? record.steps : undefined;
  return {
    startedAt: instant(startedAt),
    waitedMs: Math.max(0, Math.round(startedAt - decidedAt)),
    ...(endedAt !== undefined && {
      endedAt: instant(endedAt),
      runMs: Math.max(0, Math.round(endedAt - startedAt)),
    }),
    ...(end && { end }),
    ...(failure && { code: failure.code }),
    ...(steps && { steps: { ...steps } }),
  };
}

/** The isolation domain that a host serves, as `team` may see it: the repo of another team is hidden. */
function servedFor(team: string, domain: string): string {
  const parts = readDomain(domain);
  if (parts?.isolation !== 'repo' || parts.team === undefined || parts.team === team) return domain;
  return isolationDomain({ trust: parts.trust, team: parts.team, repo: '' }, 'team');
}
