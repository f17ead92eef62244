import { cpuMs } from '@kiln/runtime/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { safeLines, safeName, safeText } from './safe-text.ts';

const ESC = '\u001b';

test.each([
  ['plain text', 'Grüße 🙂\tx\n', 'Grüße 🙂\tx\n'],
  ['colours', `${ESC}[1;31mred${ESC}[0m ${ESC}[38:5:9mx${ESC}[m`, `${ESC}[1;31mred${ESC}[0m ${ESC}[38:5:9mx${ESC}[m`],
  ['colours that nobody ends', `${ESC}[31mred\nnext`, `${ESC}[31mred${ESC}[0m\nnext`],
  ['a title', `a${ESC}]0;title\u0007b`, 'ab'],
  ['the clipboard, ended by ST', `a${ESC}]52;c;aGk=${ESC}\\b`, 'ab'],
  ['the clipboard, without an end', `a${ESC}]52;c;aGk=\nb`, 'a\nb'],
  ['the clipboard, in 8 bits', 'a\u009d52;c;aGk=\u009cb', 'ab'],
  ['a hyperlink', `${ESC}]8;;http://x${ESC}\\text${ESC}]8;;${ESC}\\`, 'text'],
  ['a device string', `a${ESC}P$q"p${ESC}\\b\u0090x\u009cc`, 'abc'],
  ['APC, PM and SOS', `a${ESC}_x${ESC}\\${ESC}^y${ESC}\\${ESC}Xz${ESC}\\b`, 'ab'],
  ['cursor and screen', `a${ESC}[2J${ESC}[H${ESC}[?25l${ESC}[5;5fb\u009b2Jc`, 'abc'],
  ['what only looks like colours', `a${ESC}[>4;1m${ESC}[?4m${ESC}[1 mb\u009b31mc`, 'abc'],
  ['a reset, a character set, an index', `a${ESC}c${ESC}(0${ESC}M${ESC}#8b`, 'ab'],
  ['cut off escapes', `a${ESC}\nb${ESC}[31\nc${ESC}`, 'a\nb\nc'],
  ['an escape in an escape', `a${ESC}${ESC}[31mb${ESC}]0;${ESC}[32mc`, `a${ESC}[31mb${ESC}[32mc${ESC}[0m`],
  ['an order put together from pieces', `a${ESC}${ESC}]0;x\u0007]0;y\u0007b`, 'a]0;yb'],
  ['single controls', 'a\u0000\u0007\u0008\u000b\u000c\u000e\u001a\u007f\u0085\u008d\r\nb', 'a\nb'],
])('safeText handles %s', (_what, text, shown) => {
  expect(safeText(text)).toBe(shown);
});

test('safeText removes everything but colours from any text, and changes its own result no further', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ESC,
      '\u009b',
      '\u009d',
      '\u0090',
      '\u009c',
      '\u0007',
      '\\',
      ']',
      '[',
      'P',
      'm',
      ';',
      '?',
      '\r',
      '\n',
    ),
    fc.constantFrom(`${ESC}[31m`, `${ESC}[0m`, `${ESC}]0;`, '52;c;'),
    fc.string({ maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const shown = safeText(pieces.join(''));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may remain
      const rest = shown.replace(/\u001b\[[0-9;:]*m/g, '');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may remain
      expect(rest).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      expect(safeText(shown)).toBe(shown);
      expect(safeName(pieces.join(''))).not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: 500 },
  );
});

test('safeText takes linear time', async () => {
  const taken = await cpuMs(() => {
    for (const text of [`${ESC}]`, `${ESC}[`, ESC, '\u009d', `${ESC}[0;`, `${ESC}]0;x${ESC}`]) {
      safeText(text.repeat(200_000));
      safeText(`${text}${'0;'.repeat(400_000)}`);
    }
  });
  expect(taken).toBeLessThan(5_000);
});

test('safeName returns one line without colours', () => {
  expect(safeName(`[1/2] RUN ${ESC}[31mx\r\n\ty${ESC}]0;t\u0007`)).toBe('[1/2] RUN x   y');
});

test('safeLines returns what would be overwritten in separate lines', () => {
  expect(safeLines('10%\r20%\r\r100%\r')).toEqual(['10%', '20%', '100%']);
  expect(safeLines('done\r')).toEqual(['done']);
  expect(safeLines(' ')).toEqual([' ']);
  expect(safeLines('')).toEqual(['']);
});
