import type { BuildSpec } from '@kiln/contracts';

/** Of longer ones only base64 and hexadecimal are hidden: each line of a text is looked for in all of the log. */
const MAX_TEXT_BYTES = 4 * 1024;

/** What a log must not show of a build's secrets. */
export interface HiddenSecrets {
  readonly hidden: readonly string[];
  readonly hiddenBytes: readonly Buffer[];
}

/** Returns the texts among a build's secrets, and the bytes of the others, which a log shows as the text that a terminal makes of them. */
export function hiddenSecrets(
  { binarySecrets = [] }: Pick<BuildSpec, 'binarySecrets'>,
  secrets: ReadonlyMap<string, string>,
): HiddenSecrets {
  const texts = [...secrets].filter(([id]) => !binarySecrets.includes(id)).map(([, value]) => value);
  const hiddenBytes = binarySecrets.map((id) => Buffer.from(secrets.get(id) ?? '', 'base64'));
  const shown = hiddenBytes.filter(({ length }) => length <= MAX_TEXT_BYTES).map((bytes) => bytes.toString('utf8'));
  return { hidden: [...texts, ...shown], hiddenBytes };
}
