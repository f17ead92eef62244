import { z } from 'zod';
import { conditionSchema } from './condition.ts';
import { keySchema } from './key.ts';

/** A named group of subjects: those for whom every condition holds. */
export const segmentDraftSchema = z.object({
  key: keySchema,
  name: z.string().trim().min(1).max(200),
  conditions: z.array(conditionSchema).min(1).max(20),
});

export type SegmentDraft = z.infer<typeof segmentDraftSchema>;

export interface Segment extends SegmentDraft {
  readonly revision: number;
  readonly updatedAt: string;
}
