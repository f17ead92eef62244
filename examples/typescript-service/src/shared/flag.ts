import { z } from 'zod';
import { conditionSchema } from './condition.ts';
import { keySchema } from './key.ts';

export const environments = ['development', 'staging', 'production'] as const;
export const environmentSchema = z.enum(environments);

/** Weights are in hundredths of a percent, so that they add up exactly. */
export const fullWeight = 10_000;

const splitSchema = z
  .object({
    kind: z.literal('split'),
    /** Attribute whose value decides the share: equal values always get the same variant. */
    by: z.string().trim().min(1).max(100),
    shares: z
      .array(z.object({ variant: keySchema, weight: z.int().min(0).max(fullWeight) }))
      .min(1)
      .max(20),
  })
  .refine((split) => split.shares.reduce((sum, share) => sum + share.weight, 0) === fullWeight, {
    message: `weights must add up to ${fullWeight}`,
    path: ['shares'],
  });

const fixedSchema = z.object({ kind: z.literal('fixed'), variant: keySchema });

export const serveSchema = z.discriminatedUnion('kind', [fixedSchema, splitSchema]);

/** A rule applies when all its conditions hold and the subject is in its segment, if it names one. */
export const ruleSchema = z.object({
  segment: keySchema.nullable(),
  conditions: z.array(conditionSchema).max(20),
  serve: serveSchema,
});

export const targetingSchema = z.object({
  enabled: z.boolean(),
  rules: z.array(ruleSchema).max(50),
  /** What those get whom no rule applies to. */
  fallthrough: serveSchema,
  /** What everybody gets while the flag is off. */
  offVariant: keySchema,
});

export const variantSchema = z.object({
  key: keySchema,
  value: z.union([z.boolean(), z.number(), z.string().max(10_000)]),
});

export const flagDraftSchema = z
  .object({
    key: keySchema,
    name: z.string().trim().min(1).max(200),
    description: z.string().max(2_000),
    tags: z.array(keySchema).max(20),
    variants: z.array(variantSchema).min(1).max(20),
    targeting: z.record(environmentSchema, targetingSchema),
  })
  .superRefine((draft, context) => {
    const known = new Set(draft.variants.map((variant) => variant.key));
    if (known.size !== draft.variants.length) {
      context.addIssue({ code: 'custom', path: ['variants'], message: 'variant keys must differ' });
    }
    for (const environment of environments) {
      for (const variant of servedVariants(draft.targeting[environment])) {
        if (!known.has(variant)) {
          context.addIssue({
            code: 'custom',
            path: ['targeting', environment],
            message: `there is no variant "${variant}"`,
          });
        }
      }
    }
  });

export type Environment = z.infer<typeof environmentSchema>;
export type Serve = z.infer<typeof serveSchema>;
export type Rule = z.infer<typeof ruleSchema>;
export type Targeting = z.infer<typeof targetingSchema>;
export type Variant = z.infer<typeof variantSchema>;
export type FlagDraft = z.infer<typeof flagDraftSchema>;

/** A stored flag. `revision` grows by one with each change and guards against lost updates. */
export interface Flag extends FlagDraft {
  readonly revision: number;
  readonly updatedAt: string;
}

function servedVariants(targeting: Targeting): string[] {
  const serves = [targeting.fallthrough, ...targeting.rules.map((rule) => rule.serve)];
  return [targeting.offVariant, ...serves.flatMap(variantsOf)];
}

function variantsOf(serve: Serve): string[] {
  return serve.kind === 'fixed' ? [serve.variant] : serve.shares.map((share) => share.variant);
}
