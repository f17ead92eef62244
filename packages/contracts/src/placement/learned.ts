import { z } from 'zod';

const ms = z.number().min(0);

const durationTrack = z.object({
  mean: ms,
  samples: z.int().min(0),
  drift: z.number(),
  spread: z.number().min(0),
});

/** What placement stores about a repo for the next leader: the domain's `LearnedRepo`. */
export const learnedRepo = z.object({
  estimate: z.object({
    cold: durationTrack.optional(),
    stale: durationTrack.optional(),
    warm: durationTrack.optional(),
    bytes: z.number().min(0).optional(),
  }),
  demand: z.object({ value: z.number().min(0), at: z.number() }),
});

/** What placement stores about the pool: the domain's `LearnedPool`. */
export const learnedPool = z.object({
  estimate: z.object({
    cold: ms,
    stale: ms,
    warm: ms,
    coldPerWarm: z.number().min(1),
    stalePerWarm: z.number().min(1),
    bytes: z.number().min(0),
    samples: z.int().min(0),
  }),
  horizonMs: ms,
  watchedSince: z.number(),
});
