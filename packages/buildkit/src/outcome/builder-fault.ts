import type { BuilderFault, BuilderState } from '@kiln/domain';
import type { FailedStep } from '../progress/decode-status.ts';

const ID = '[a-z0-9]{25}';
const DIGEST = 'sha256:[0-9a-f]{64}';
/** How BuildKit and containerd name snapshots in errors. */
const KEY = `(?:${ID}|${DIGEST})(?:-view)?`;
/** A word of BuildKit's, one of its names, or the path that a mount has in a container. */
const WORD = '(?:[a-z0-9-]+(?::[0-9a-f]{64})?|/[^\\s:]*)';
/** What BuildKit says that it was doing. What it quotes has been removed: see `unquoted`. */
const DOING = `(?:rpc error: code = [A-Za-z]+ desc = |failed to ${WORD}(?: ${WORD})* ?: |mount callback failed on [^\\s:]+: |resolve : )*`;
/** A snapshot's directory itself. A path within a snapshot, which may be a build's choice, goes on after it. */
const DIRECTORY =
  '(?:/(?!snapshots/|overlay2/)[\\w.@+-]+)+/(?:(?:snapshots/)?snapshots/\\d+(?:/fs|/work)?|overlay2/[a-z0-9]+(?:/diff|/merged)?)';
const FILE = '(?:/[\\w.@+-]+)+';

interface Pattern {
  readonly state: BuilderState;
  /** Matches a step's whole error. Its group `record`, if any, is the id of BuildKit's record. */
  readonly whole: RegExp;
}

/**
 * Whole errors of steps by which BuildKit shows that its own store is damaged. They match from the beginning to the end, so that a text that a
 * build chooses (a path, a message of a registry or of git) can be no part of them. Sources: samples in builder-fault-samples.json.
 */
const PATTERNS: readonly Pattern[] = [
  pattern('snapshot_missing', `${DOING}(?:parent )?snapshot (?<record>${KEY})? ?does not exist: not found`),
  pattern('snapshot_missing', `${DOING}(?:l?stat|open) ${DIRECTORY}: no such file or directory(?:: unknown)?`),
  pattern('content_missing', `${DOING}content digest ${DIGEST}: not found`),
  pattern('content_missing', `${DOING}blob ${DIGEST} expected at ${FILE}: blob not found: not found`),
  pattern('content_missing', `${DOING}blob ${DIGEST} not found`),
  pattern('record_corrupt', `${DOING}failed to get (?:dead|active) record (?<record>${ID}): not found`),
  pattern('record_corrupt', `${DOING}(?:failed to get edge: )?inconsistent graph state(?: in edge .*)?`),
  pattern('record_corrupt', `error committing (?<record>${ID}): invalid mutable ref 0x[0-9a-f]+: invalid`),
];

/** The steps that BuildKit executes itself: the kernel's bare answer there is that of mounting a layer. */
const MOUNTS_LAYERS = /^\[(?:[^\]]* )?\d+\/\d+\] (?:COPY|ADD|WORKDIR) /;
const BARE = /^no such file or directory$/;

/**
 * Determines whether failed steps show that the builder itself is damaged. Only errors that BuildKit reports for its own work count: never a step's
 * output, the error of a RUN's process, or text of a frontend.
 */
export function builderFault(failed: readonly FailedStep[]): BuilderFault | undefined {
  for (const { name, error } of failed) {
    const text = unquoted(error);
    for (const { state, whole } of PATTERNS) {
      const match = whole.exec(text);
      if (!match) continue;
      const ids = new Set([match.groups?.record, ...(text.match(new RegExp(`\\b${ID}\\b`, 'g')) ?? [])]);
      const records = [...ids].filter((id) => id !== undefined && new RegExp(`^${ID}$`).test(id)) as string[];
      return { state, message: error, step: name, ...(records.length > 0 && { records }) };
    }
    if (MOUNTS_LAYERS.test(name) && BARE.test(error)) {
      return { state: 'snapshot_missing', message: error, step: name, isSuspected: true };
    }
  }
  return undefined;
}

/** What a builder's daemon prints if it can't read its databases (bbolt, and containerd's and BuildKit's own checks). */
const DATABASE_BROKEN =
  /\b(?:invalid database|database not open|freelist page|page \d+ already freed|page expected to be: \d+|file size too small|invalid page type|version mismatch|checksum error)\b/i;

/** What it prints if another process, which may be gone for everybody but the kernel, has locked its state (buildkitd, containerd). */
const STATE_LOCKED = /\bcould not lock \S+, another instance running\?|\bwaiting for response from boltdb open\b/;

/** Determines from a daemon's own log why it doesn't start. */
export function startFault(log: string): Pick<BuilderFault, 'state' | 'message'> | undefined {
  const isCause = (text: string) => DATABASE_BROKEN.test(text) || STATE_LOCKED.test(text);
  const line = log.split('\n').findLast(isCause);
  if (line === undefined) return undefined;
  const state = DATABASE_BROKEN.test(line) ? 'record_corrupt' : 'stuck';
  return { state, message: line.trim().slice(0, 500) };
}

function pattern(state: BuilderState, source: string): Pattern {
  return { state, whole: new RegExp(`^${source}$`) };
}

/** Removes what is quoted as in Go, which is where BuildKit puts names that a build chooses. */
function unquoted(text: string): string {
  let kept = '';
  for (let i = 0; i < text.length; i++) {
    if (text.charAt(i) !== '"') {
      kept += text.charAt(i);
      continue;
    }
    const end = endOfQuoted(text, i);
    if (end < 0) return (kept + text.slice(i)).trim();
    i = end;
  }
  return kept.trim();
}

/** Returns where the text that is quoted from `start` on ends; -1 if it doesn't. */
function endOfQuoted(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text.charAt(i) === '\\') i += 1;
    else if (text.charAt(i) === '"') return i;
  }
  return -1;
}
