import { z } from 'zod';
import { environmentSchema, type Variant } from './flag.ts';

const attributeValueSchema = z.union([z.string().max(1_000), z.number(), z.boolean()]);

/** Who or what a flag is evaluated for. */
export const subjectSchema = z.object({
  key: z.string().min(1).max(200),
  attributes: z.record(z.string().max(100), attributeValueSchema).default({}),
});

export const evaluationRequestSchema = z.object({
  environment: environmentSchema,
  subject: subjectSchema,
  /** All flags when left out. */
  flags: z.array(z.string()).max(200).optional(),
});

export type Subject = z.infer<typeof subjectSchema>;
export type EvaluationRequest = z.infer<typeof evaluationRequestSchema>;

export type Reason =
  | { readonly kind: 'off' }
  | { readonly kind: 'fallthrough' }
  | { readonly kind: 'rule'; readonly index: number };

export interface Evaluation {
  readonly flag: string;
  readonly variant: string;
  readonly value: Variant['value'];
  readonly reason: Reason;
}
