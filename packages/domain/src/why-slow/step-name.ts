/** A step's name, split: `[linux/amd64 build 2/5] RUN make`. */
export interface StepName {
  /** Platform, in builds for several. */
  readonly platform: string | undefined;
  /** Absent if the Dockerfile has one stage without a name. */
  readonly stage: string | undefined;
  readonly number: number;
  readonly of: number;
  /** In upper case. */
  readonly op: string;
  readonly text: string;
}

const COUNT = /^(\d+)\/(\d+)$/;
const PLATFORM = /^[a-z0-9]+\/[a-z0-9]\S*$/;
const OP = /^\S+/;
const BRACKETED = /^\[[^\]]*\] /;
const PINNED = /@(sha256:[0-9a-f]{64})\b/;
const IMAGE = /\bFROM (\S+)/;

/** Splits the name of an instruction of the Dockerfile; undefined for other steps. */
export function readStepName(name: string): StepName | undefined {
  const close = name.indexOf(']');
  if (!name.startsWith('[') || name.charAt(close + 1) !== ' ') return undefined;
  const words = name.slice(1, close).split(' ');
  const count = COUNT.exec(words.pop() ?? '');
  const text = name.slice(close + 2);
  const [op] = OP.exec(text) ?? [];
  if (!count || op === undefined) return undefined;
  const platform = PLATFORM.test(words[0] ?? '') ? words.shift() : undefined;
  const stage = words.length > 0 ? words.join(' ') : undefined;
  return { platform, stage, number: Number(count[1]), of: Number(count[2]), op: op.toUpperCase(), text };
}

/** Returns a step's text without the stage and numbers before it, which change when others are added. */
export function stepText(name: string): string {
  return readStepName(name)?.text ?? name.replace(BRACKETED, '');
}

/** Returns the image that a step gets, and its digest as far as BuildKit's name for the step tells it; undefined for other steps. */
export function imageOf(name: string): { readonly image: string; readonly digest: string | undefined } | undefined {
  const text = stepText(name);
  if (!text.startsWith('FROM ')) return undefined;
  const image = IMAGE.exec(text)?.[1] ?? '';
  return { image: image.replace(PINNED, ''), digest: PINNED.exec(image)?.[1] };
}

/** What a step does, as far as its name tells. `other`: what BuildKit does between steps. */
export type StepKind = 'context' | 'pull' | 'run' | 'export' | 'other';

export function kindOfStep(name: string): StepKind {
  const numbered = readStepName(name);
  if (numbered) return numbered.op === 'FROM' ? 'pull' : 'run';
  if (/^\[internal\] load metadata\b|^\[auth\] |^resolve image config\b|^docker-image:/.test(name) || imageOf(name))
    return 'pull';
  if (/^\[internal\]|^\[context |^local:\/\//.test(name)) return 'context';
  if (/^(?:exporting|pushing|sending tarball|importing to docker|writing image|preparing build cache)\b/.test(name))
    return 'export';
  if (/^(?:https?|git|ssh):\/\//.test(name)) return 'context';
  return 'other';
}
