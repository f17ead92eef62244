import { describe, expect, it } from 'vitest';
import { parseFlags } from './flags.ts';

const TABLE = {
  tag: { kind: 'list', short: 't' },
  file: { kind: 'text', short: 'f' },
  push: { kind: 'bool' },
  'no-cache': { kind: 'bool' },
  quiet: { kind: 'bool', short: 'q' },
} as const;

const parse = (line: string) => parseFlags(line === '' ? [] : line.split(' '), TABLE);

describe('parseFlags', () => {
  it.each([
    ['-t a --tag b --tag=c -td -t=e .', { tag: ['a', 'b', 'c', 'd', 'e'] }, ['.']],
    ['. --push', { push: true }, ['.']],
    ['--push .', { push: true }, ['.']],
    ['--push=false', { push: false }, []],
    ['--push --push=false', { push: false }, []],
    ['--no-cache=true', { 'no-cache': true }, []],
    ['-qf D .', { quiet: true, file: 'D' }, ['.']],
    ['-f -', { file: '-' }, []],
    ['-f a -f b', { file: 'b' }, []],
    ['-', {}, ['-']],
    ['-- --push', { push: undefined }, ['--push']],
  ])('parses %s like docker', (line, flags, operands) => {
    const parsed = parse(line);
    expect(parsed.flags).toMatchObject(flags);
    expect(parsed.operands).toEqual(operands);
  });

  it.each([
    ['--pusj', 'unknown flag: --pusj; did you mean --push?'],
    ['--whatever', 'unknown flag: --whatever'],
    ['-x', 'unknown flag: -x'],
    ['--tag', '--tag needs a value'],
    ['--push=maybe', '--push=maybe: expected true or false'],
  ])('refuses %s', (line, message) => {
    expect(() => parse(line)).toThrow(message);
  });
});
