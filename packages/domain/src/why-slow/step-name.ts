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

const NUMBERED = /^\[(?:([a-z0-9]+\/[a-z0-9/]+(?:\/[^\s\]]+)?) )?(?:([^\]]*?) )?(\d+)\/(\d+)\] ((\S+)[\s\S]*)$/;
const BRACKETED = /^\[[^\]]*\] /;
const PINNED = /@(sha256:[0-9a-f]{64})\b/;
const IMAGE = /\bFROM (\S+)/;

/** Splits the name of an instruction of the Dockerfile; undefined for other steps. */
export function readStepName(name: string): StepName | undefined {
  const match = NUMBERED.exec(name);
  if (!match) return undefined;
  const [, platform, stage, number, of, text = '', op = ''] = match;
  return { platform, stage, number: Number(number), of: Number(of), op: op.toUpperCase(), text };
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
