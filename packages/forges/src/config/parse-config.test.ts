import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidConfig, parseConfig } from './parse-config.ts';

const GOOD = `version: 1
on:
  push:
    branches: [main]
images:
  - name: api
    context: services/api
    tags:
      - registry.example.org/team/api:{branch}
    output: push
`;

/** Each problem as `line:column field got → expected`. */
function problems(text: string): string[] {
  try {
    parseConfig(text);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error;
    return error.problems.map(
      ({ line, column, field, got, expected }) => `${line}:${column} ${field} ${got} → ${expected}`,
    );
  }
}

describe('parseConfig', () => {
  it('reads a configuration', () => {
    expect(parseConfig(GOOD).images[0]).toMatchObject({ name: 'api', context: 'services/api', output: 'push' });
  });

  it('names line and column of an invalid value, of an unknown field, and of the map that lacks a field', () => {
    expect(problems(GOOD.replace('{branch}', '{brunch}'))[0]).toMatch(
      /^9:9 images\[0\]\.tags\[0\] .*, not \{brunch\}$/,
    );
    expect(problems(`${GOOD}    wieght: 2\n`)).toEqual(['11:5 images[0].wieght 2 → no such field']);
    expect(problems(GOOD.replace('  - name: api\n    context', '  - context'))).toEqual([
      '6:5 images[0].name nothing → string',
    ]);
    expect(problems(GOOD.replace('version: 1\n', ''))[0]).toMatch(/^1:1 version nothing → 1$/);
    expect(problems(GOOD.replace('output: push', 'output: load'))).toEqual([
      '10:5 images[0].output "load" → "push" or "none"',
    ]);
  });

  it('names all problems, not only the first one', () => {
    expect(problems('version: 2\nimages: []\nfoo: 1\n').map((text) => text.split(' ')[1])).toEqual([
      'version',
      'images',
      'foo',
    ]);
  });

  it.each([
    ['', '1:1 file null → object'],
    ['- a\n', '1:1 file ["a"] → object'],
    ['version: 1\nversion: 1\n', '2:1 file invalid YAML → Map keys must be unique'],
    ['a: [1\nb: 2\n', 'invalid YAML'],
    ['a: 1\n---\nb: 1\n', 'invalid YAML'],
    ['__proto__: {}\n', '1:1 __proto__ a key → no such field'],
    [`${GOOD}    buildArgs: { __proto__: x }\n`, '11:18 __proto__ a key → no such field'],
    ['a: &a [x]\nb: *c\n', 'Unresolved alias'],
    ['['.repeat(30_000), 'deeper nesting'],
    [`${'['.repeat(16_000)}${']'.repeat(16_000)}`, 'deeper nesting'],
    ['- '.repeat(15_000), 'deeper nesting'],
    ['x'.repeat(200_000), '1:1 file 200000 characters → at most 32768 characters'],
  ])('refuses the text of row %#', (text, expected) => {
    expect(problems(text).join('\n')).toContain(expected);
  });

  it('refuses a bomb of aliases without expanding it', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`,
    );
    expect(problems(`l0: &l0 [x, x]\n${levels.join('\n')}\n`).join()).toContain('aliases');
  });

  it('supports merge keys', () => {
    const text = `version: 1\non: { push: }\nimages:\n  - &a { name: a, weight: 2 }\n  - { <<: *a, name: b }\n`;
    expect(parseConfig(text).images.map(({ name, weight }) => [name, weight])).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
  });

  it('throws only InvalidConfig, whatever the text', () => {
    const tokens = fc.constantFrom(
      ...'version images name on push tags : - [ ] { } & * ! | > \' " # % @ ` \n \t ? , << 1 ~ {branch}'.split(' '),
      '\n',
      '  ',
      '\u0000',
      '\ud800',
    );
    const soup = fc.array(tokens, { maxLength: 60 }).map((parts) => parts.join(' '));
    const altered = fc
      .tuple(fc.nat(GOOD.length), fc.nat(12), fc.string({ unit: 'binary', maxLength: 12 }))
      .map(([at, length, text]) => GOOD.slice(0, at) + text + GOOD.slice(at + length));
    const valued = fc.tuple(
      fc.constantFrom('name', 'tags', 'paths', 'secrets', 'on', 'buildArgs', 'platforms'),
      fc.json(),
    );
    const typed = valued.map(
      ([field, json]) => `version: 1\non: { push: }\nimages:\n  - name: a\n    ${field}: ${json}\n`,
    );
    fc.assert(
      fc.property(fc.oneof(soup, altered, typed, fc.string({ unit: 'binary' })), (text) => {
        for (const problem of problems(text)) expect(problem).toMatch(/^\d+:\d+ /);
      }),
      { numRuns: 1_000 },
    );
  });
});
