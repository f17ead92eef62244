import { expect, it } from 'vitest';
import { checkNode } from './check-node.ts';

it.each(['22.19.0', '22.23.3', '23.0.0', '24.9.0', '100.0.0'])('accepts Node %s', (version) => {
  expect(() => checkNode('kiln up', version)).not.toThrow();
});

it.each(['22.0.0', '22.18.9', '20.19.4', '9.99.0'])('refuses Node %s', (version) => {
  expect(() => checkNode('kiln up', version)).toThrow(`Node: got ${version}, expected 22.19 or newer for kiln up`);
});
