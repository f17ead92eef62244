import { expect, test } from 'vitest';
import { trim, trimEnd } from './trim.ts';

test.each(['', '/', '//', 'a', 'a/', '/a//', '//a/b//', 'a//b'])(
  'trim and trimEnd remove the same from %j as regular expressions',
  (text) => {
    expect(trimEnd(text, '/')).toBe(text.replace(/\/+$/, ''));
    expect(trim(text, '/')).toBe(text.replace(/^\/+|\/+$/g, ''));
  },
);
