import { z } from 'zod';

export const operators = [
  'equals',
  'not_equals',
  'contains',
  'starts_with',
  'ends_with',
  'at_least',
  'less_than',
  'version_at_least',
  'version_below',
] as const;

/** True when the attribute stands in the named relation to at least one of the values. */
export const conditionSchema = z.object({
  attribute: z.string().trim().min(1).max(100),
  operator: z.enum(operators),
  values: z.array(z.string().max(200)).min(1).max(100),
});

export type Operator = (typeof operators)[number];
export type Condition = z.infer<typeof conditionSchema>;
