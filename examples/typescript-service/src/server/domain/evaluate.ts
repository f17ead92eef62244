import type { Evaluation, Reason, Subject } from '../../shared/evaluation.ts';
import type { Environment, Flag, Rule, Serve } from '../../shared/flag.ts';
import type { Segment } from '../../shared/segment.ts';
import { bucketOf } from './bucket.ts';
import { allHold, attributeOf } from './conditions.ts';

export type SegmentLookup = (key: string) => Segment | undefined;

/** Which variant of the flag the subject gets, and why. The first rule that applies decides. */
export function evaluate(flag: Flag, environment: Environment, subject: Subject, segments: SegmentLookup): Evaluation {
  const targeting = flag.targeting[environment];
  if (!targeting.enabled) return result(flag, targeting.offVariant, { kind: 'off' });

  const index = targeting.rules.findIndex((rule) => applies(rule, subject, segments));
  const rule = targeting.rules[index];
  return rule === undefined
    ? result(flag, pick(flag.key, targeting.fallthrough, subject), { kind: 'fallthrough' })
    : result(flag, pick(flag.key, rule.serve, subject), { kind: 'rule', index });
}

function applies(rule: Rule, subject: Subject, segments: SegmentLookup): boolean {
  if (rule.segment !== null) {
    const segment = segments(rule.segment);
    if (segment === undefined || !allHold(segment.conditions, subject)) return false;
  }
  return allHold(rule.conditions, subject);
}

function pick(flagKey: string, serve: Serve, subject: Subject): string {
  if (serve.kind === 'fixed') return serve.variant;
  const bucket = bucketOf(flagKey, attributeOf(subject, serve.by) ?? subject.key);
  let upper = 0;
  for (const share of serve.shares) {
    upper += share.weight;
    if (bucket < upper) return share.variant;
  }
  throw new RangeError(`the shares of flag "${flagKey}" don't cover bucket ${bucket}`);
}

function result(flag: Flag, variantKey: string, reason: Reason): Evaluation {
  const variant = flag.variants.find((candidate) => candidate.key === variantKey);
  if (variant === undefined) throw new RangeError(`flag "${flag.key}" has no variant "${variantKey}"`);
  return { flag: flag.key, variant: variant.key, value: variant.value, reason };
}
