import { describe, expect, test } from 'vitest';
import { FlagError, readOptions } from './options.ts';
import { POLICIES } from './policies/catalog.ts';
import { SCENARIOS } from './trace/scenarios.ts';

test('plays one trace with every policy by default', () => {
  expect(readOptions([])).toMatchObject({
    ...{ suite: false, scenarios: ['busy'], seeds: [1], policies: Object.keys(POLICIES), depKnown: true },
  });
});

test('plays every scenario with three seeds for --suite', () => {
  const { scenarios, seeds } = readOptions(['--suite']);
  expect(scenarios).toEqual(SCENARIOS.map(({ name }) => name));
  expect(seeds).toEqual([101, 102, 103]);
});

test('accepts lists separated by commas', () => {
  expect(
    readOptions(['--scenario', 'half,tight', '--seed', '1,2', '--policy', 'kiln,delay-60', '--hide-deps']),
  ).toMatchObject({
    ...{ scenarios: ['half', 'tight'], seeds: [1, 2], policies: ['kiln', 'delay-60'], depKnown: false },
  });
});

describe('refuses a bad flag with its name, what it got and what was expected', () => {
  test.each([
    [['--scenario', 'busy,bussy'], /^--scenario: got "bussy", expected one of half, busy, /],
    [['--policy', 'kilm'], /^--policy: got "kilm", expected one of kiln, /],
    [['--seed', 'x'], /^--seed: got "x", expected a whole number from 0 on$/],
    [['--seed', '1,'], /^--seed: got "", expected a whole number from 0 on$/],
    [['--seed', '1.5'], /^--seed: got "1.5", expected/],
    [['--seed', '-1'], /^flags: got --seed -1, expected those of --help: .*--seed/],
    [['--sed', '1'], /^flags: got --sed 1, expected those of --help: Unknown option '--sed'$/],
    [['half'], /^flags: got half, expected those of --help: Unexpected argument 'half'$/],
    [['--suite', '--trace', 'f'], /^--trace: got f, expected nothing beside --suite/],
    [['--suite', '--svg', 'f'], /^--svg: got f, expected nothing beside --suite/],
    [['--trace', 'f', '--scenario', 'busy'], /^--scenario: got busy, expected nothing beside --trace/],
    [['--svg', 'f', '--seed', '1,2'], /^--svg: got f, expected one scenario and one seed/],
    [['--save-trace', 'f', '--scenario', 'half,busy'], /^--save-trace: got f, expected one scenario and one seed/],
    [['--caches'], /^--caches: got no --pools, expected --pools N beside it$/],
    [['--suite', '--save-trace', 'f'], /^--save-trace: got f, expected nothing beside --suite/],
  ])('%j', (args, message) => {
    expect(() => readOptions(args)).toThrow(FlagError);
    expect(() => readOptions(args)).toThrow(message);
  });
});
