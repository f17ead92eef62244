import { expect, test } from 'vitest';
import { labelChange } from './label-change.ts';

test.each([
  ['disk=nvme\ngpu', {}],
  [' disk = nvme \n\n gpu ', {}],
  ['disk=ssd\ngpu', { disk: 'ssd' }],
  ['disk=nvme', { gpu: null }],
  ['', { disk: null, gpu: null }],
  ['disk=nvme\ngpu\nnote=a=b', { note: 'a=b' }],
])('reads labels from %j', (text, expected) => {
  expect(labelChange({ disk: 'nvme', gpu: '' }, text)).toEqual(expected);
});
