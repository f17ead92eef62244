import { expect, test } from 'vitest';
import { trim, trimEnd } from './trim.ts';

test.each(['', '/', '//', 'a', 'a/', '/a//', '//a/b//', 'a//b'])(
  '%j loses what regular expressions took from it',
  (text) => {
    expect(trimEnd(text, '/')).toBe(text.replace(/\/+$/, ''));
    expect(trim(text, '/')).toBe(text.replace(/^\/+|\/+$/g, ''));
  },
);
