import { resolve } from 'node:path';
import type { NamedContextInput } from '@kiln/contracts';
import { badFlag } from '../../../framework/flag-values.ts';
import { FlagError } from '../../../io/errors.ts';
import { type GitSource, gitSourceOf } from './git-source.ts';

/** A further context as it was given: something that the host gets by itself, or a directory of this machine. */
export type GivenContext =
  | { readonly name: string; readonly from: Extract<NamedContextInput, { type: 'image' }> | GitSource }
  | {
      readonly name: string;
      /** Absolute path. */
      readonly directory: string;
      /** The directory is an OCI layout: `:tag` or `@digest` of the image in it. */
      readonly image?: string;
    };

const EXPECTED = 'NAME=VALUE, where VALUE is a directory, a git URL, docker-image://IMAGE or oci-layout://DIR[:TAG]';

/** Parses the values of `--build-context`. The last one of a name counts, as with buildx. @throws UsageError */
export function givenContexts(values: readonly string[], cwd: string): GivenContext[] {
  const contexts = new Map<string, GivenContext>();
  for (const value of values) {
    const at = value.indexOf('=');
    if (at <= 0 || at === value.length - 1) throw badFlag('--build-context', value, EXPECTED);
    const name = value.slice(0, at);
    contexts.set(name, { name, ...placeOf(value.slice(at + 1), value, cwd) });
  }
  return [...contexts.values()];
}

type Place<T = GivenContext> = T extends GivenContext ? Omit<T, 'name'> : never;

function placeOf(place: string, value: string, cwd: string): Place {
  const scheme = /^([a-z][a-z-]*):(\/\/)?/.exec(place)?.[1];
  const rest = place.slice(`${scheme}://`.length);
  if (scheme === 'docker-image') return { from: { type: 'image', ref: rest } };
  if (scheme === 'oci-layout') {
    const at = /(?:@sha256:[0-9a-f]+|:[^:/@]+)$/.exec(rest)?.index ?? rest.length;
    return { directory: resolve(cwd, rest.slice(0, at)), image: rest.slice(at) || ':latest' };
  }
  if (scheme === 'target')
    throw new FlagError(`--build-context ${value}: target: links the targets of a bake file; a build has no others`);
  const git = gitSourceOf(place, undefined);
  if (git) return { from: git };
  if (scheme === 'input' || place === '-') throw badFlag('--build-context', value, EXPECTED);
  return { directory: resolve(cwd, place) };
}
