import { z } from 'zod';

const DAY_SECONDS = 24 * 3_600;

/** How long both secrets count while one is rotated. */
export const overlapSeconds = z
  .int()
  .min(0)
  .max(7 * DAY_SECONDS)
  .default(DAY_SECONDS)
  .meta({
    description:
      'How long the old secret stays valid beside the new one, in seconds. 0 ends it at once. Default: a day.',
  });

export const PREVIOUS_SECRET_HELP = 'Until then the secret before the last rotation is still valid.';
