import { createRequire } from 'node:module';
import type { FoundRegexp } from './collect.ts';

type Checked = Pick<FoundRegexp, 'source' | 'flags'>;

/** `linear`: matching takes time in proportion to the length of the text at most. */
export type Verdict = 'linear' | 'exponential' | 'polynomial' | 'unknown';

const DETECTOR = { timeout: 5_000, maxScore: 50, maxSteps: 20_000, downgradePattern: true };

// The other backends are downloaded programs. recheck reads this when it is loaded.
process.env.RECHECK_BACKEND = 'pure';
const require = createRequire(import.meta.url);

/**
 * Determines how long a regular expression can be made to take. Two checkers are used: the first is fast, but rejects some safe
 * expressions; these are passed to the second, which is exact and slow.
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
    // An expression that the checker cannot parse is not known to be safe.
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
