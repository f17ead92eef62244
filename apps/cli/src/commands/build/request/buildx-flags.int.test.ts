import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { FlagSpec } from '../../../framework/flags.ts';
import { BUILD_FLAGS } from './build-flags.ts';
import { buildxTable, decisionOn } from './buildx-compat.ts';

/** A flag as the help of the installed buildx lists it. */
interface HelpFlag {
  readonly name: string;
  readonly short: string | undefined;
  readonly takesValue: boolean;
}

function helpFlags(): HelpFlag[] {
  const help = execFileSync('docker', ['buildx', 'build', '--help'], {
    encoding: 'utf8',
    env: { ...process.env, BUILDX_EXPERIMENTAL: '1' },
  });
  return [...help.matchAll(/^ +(?:-(\w), | {4})--([a-z-]+)(?: (\w+))? {2,}/gm)].map(([, short, name = '', value]) => ({
    name,
    short,
    takesValue: value !== undefined,
  }));
}

describe('the flags of the installed docker buildx build', () => {
  const flags = helpFlags();

  it('are all decided on: supported, ignored or refused', () => {
    expect(flags.length).toBeGreaterThan(30);
    expect(flags.filter(({ name }) => decisionOn(name) === undefined)).toEqual([]);
  });

  it('take a value or none, and have the same short forms', () => {
    const known: Readonly<Record<string, FlagSpec>> = BUILD_FLAGS;
    const ours = flags.map(({ name }) => {
      const flag = known[name];
      // Kiln's own flag of the name.
      const short = decisionOn(name) === 'renamed' ? undefined : flag?.short;
      return { name, short, takesValue: flag?.kind !== 'bool' };
    });
    expect(ours).toEqual(flags);
  });

  it('are all in the table of the docs', () => {
    const table = buildxTable();
    expect(flags.filter(({ name }) => !table.includes(`--${name}\``))).toEqual([]);
  });
});
