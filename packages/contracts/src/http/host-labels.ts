import { z } from 'zod';

export const MAX_LABELS = 32;

export const labelName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?$/,
    'a label of lower-case letters, digits and . _ / -, at most 63 long',
  );
export const labelValue = z.string().regex(/^[A-Za-z0-9._-]{0,63}$/, 'letters, digits and . _ -, at most 63 long');

/** Labels of hosts, such as `disk: nvme`, which builds may require. */
export const hostLabels = z
  .record(labelName, labelValue)
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`);
