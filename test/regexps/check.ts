import { createRequire } from 'node:module';
import type { FoundRegexp } from './collect.ts';

type Checked = Pick<FoundRegexp, 'source' | 'flags'>;

/** `linear`: no text makes it take longer than in proportion to its length. */
export type Verdict = 'linear' | 'exponential' | 'polynomial' | 'unknown';

const DETECTOR = { timeout: 5_000, maxScore: 50, maxSteps: 20_000, downgradePattern: true };

// Its other parts are programs that are downloaded; it looks at this when it is loaded.
process.env.RECHECK_BACKEND = 'pure';
const require = createRequire(import.meta.url);

/**
 * Whether a regular expression can be made to take long. Two checkers look at it: the first is quick and takes everything for dangerous
 * that backtracks without end, the second is exact and slow.
 */
export function check({ source, flags }: Checked, timeoutMs: number): Verdict {
  return isSafeAtSight({ source, flags }) ? 'linear' : exactVerdict({ source, flags }, timeoutMs);
}

function isSafeAtSight({ source, flags }: Checked): boolean {
  const { isSafePattern } = require('redos-detector') as typeof import('redos-detector');
  const has = (flag: string) => flags.includes(flag);
  try {
    return isSafePattern(source, {
      ...DETECTOR,
      ...{ caseInsensitive: has('i'), unicode: has('u'), dotAll: has('s'), multiLine: has('m') },
    }).safe;
  } catch {
    // What it can't read it can't clear.
    return false;
  }
}

function exactVerdict({ source, flags }: Checked, timeoutMs: number): Verdict {
  const { checkSync } = require('recheck') as typeof import('recheck');
  const found = checkSync(source, flags, { timeout: timeoutMs });
  if (found.status === 'safe') return 'linear';
  if (found.status === 'unknown') return 'unknown';
  return found.complexity.type === 'exponential' ? 'exponential' : 'polynomial';
}
