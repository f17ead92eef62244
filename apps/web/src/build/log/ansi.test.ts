import { describe, expect, test } from 'vitest';
import { plainOf, spansOf } from './ansi.ts';

const E = '\u001b[';

describe('spansOf', () => {
  test('leaves text without colours as it is', () => {
    expect(spansOf('plain [0m text')).toEqual([{ text: 'plain [0m text', style: {} }]);
    expect(spansOf('')).toEqual([{ text: '', style: {} }]);
  });

  test('applies colours and weights until they are taken back', () => {
    expect(spansOf(`a${E}1;31mb${E}22mc${E}39md${E}4;3me${E}me`)).toEqual([
      { text: 'a', style: {} },
      { text: 'b', style: { bold: true, color: 1 } },
      { text: 'c', style: { color: 1 } },
      { text: 'd', style: {} },
      { text: 'e', style: { underline: true, italic: true } },
      { text: 'e', style: {} },
    ]);
  });

  test.each([
    ['32', { color: 2 }],
    ['97', { color: 15 }],
    ['44', { ground: 4 }],
    ['103', { ground: 11 }],
    ['38;5;9', { color: 9 }],
    ['38;5;196', { color: 'rgb(255 0 0)' }],
    ['48;5;244', { ground: 'rgb(128 128 128)' }],
    ['38;2;1;2;3', { color: 'rgb(1 2 3)' }],
    ['38:5:34;1', { color: 'rgb(0 175 0)', bold: true }],
    ['38;5;999', {}],
    ['38;2;1;2;900', {}],
    ['38', {}],
    ['5;7', {}],
  ])('reads %s as %j', (codes, style) => {
    expect(spansOf(`${E}${codes}mx`)).toEqual([{ text: 'x', style }]);
  });
});

test('plainOf removes colours, so that a search finds what is read', () => {
  expect(plainOf(`#5 ${E}1;31mer${E}0mror`)).toBe('#5 error');
});
