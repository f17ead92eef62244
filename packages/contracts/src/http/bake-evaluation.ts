import { z } from 'zod';

/** Limits of what a host evaluates. Bake files are some kilobytes. */
export const MAX_BAKE_BYTES = 256 * 1024;
export const MAX_BAKE_FILES = 64;
/** Limit of the definition that comes out, bytes. */
export const MAX_BAKE_DEFINITION_BYTES = 1024 * 1024;

/** A file below the directory in which the files are evaluated. */
const path = z
  .string()
  .max(512, { abort: true })
  .refine(isInside, 'a relative path without "..", "." and empty parts, and without control characters');
const text = z.string().max(MAX_BAKE_BYTES);
/** No flag: it goes after `--`. */
const target = z.string().min(1).max(256);

/** Bake or Compose files, and what `buildx bake --print` needs besides to evaluate them. */
export const bakeInput = z
  .strictObject({
    files: z
      .record(path, text)
      .refine((files) => Object.keys(files).length <= MAX_BAKE_FILES, `at most ${MAX_BAKE_FILES} files`)
      .meta({ description: 'Contents of the files by path, with those that they read.' }),
    names: z
      .array(path)
      .max(MAX_BAKE_FILES)
      .default([])
      .meta({ description: 'The files to evaluate. Default: as buildx finds them among `files`.' }),
    targets: z.array(target).max(256).default([]).meta({ description: 'Targets or groups. Default: `default`.' }),
    set: z.array(z.string().max(8_192)).max(256).default([]).meta({ description: 'Overrides, `TARGET.KEY=VALUE`.' }),
    flags: z
      .array(z.enum(['push', 'load', 'no-cache', 'pull']))
      .max(4)
      .default([]),
    variables: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of a variable'), text)
      .default({})
      .meta({ description: 'Variables of the environment that the files name.' }),
  })
  .refine((input) => bytesOf(input) <= MAX_BAKE_BYTES, `at most ${MAX_BAKE_BYTES} bytes in all`)
  .meta({ id: 'BakeInput' });
export type BakeInput = z.output<typeof bakeInput>;

/** Body of `POST /v1/bake/evaluate`. */
export const evaluateRequest = z
  .strictObject({
    bake: bakeInput,
    team: z.string().max(100).optional().meta({ description: 'Default: the caller’s own.' }),
  })
  .meta({ id: 'EvaluateBake' });
export type EvaluateRequest = z.input<typeof evaluateRequest>;

/** Result of an `evaluate`: what `buildx bake --print` printed. */
export const evaluateResult = z.object({ printed: z.string().max(MAX_BAKE_DEFINITION_BYTES) });

function isInside(name: string): boolean {
  const parts = name.split('/');
  return !/\p{Cc}/u.test(name) && parts.every((part) => part !== '' && part !== '.' && part !== '..');
}

function bytesOf(input: object): number {
  return new TextEncoder().encode(JSON.stringify(input)).length;
}
