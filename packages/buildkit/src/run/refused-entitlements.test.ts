import { expect, test } from 'vitest';
import { refusedEntitlements } from './refused-entitlements.ts';

test('refuses entitlements that the host does not grant, and names the setting', () => {
  const of = (entitlements: ('network.host' | 'security.insecure')[], ...granted: string[]) =>
    refusedEntitlements({ entitlements: granted }, { entitlements })?.message;
  expect(refusedEntitlements({ entitlements: [] }, {})).toBeUndefined();
  expect(of(['network.host'], 'network.host')).toBeUndefined();
  expect(of(['network.host'])).toMatch(/^entitlements: got network.host, expected none: .* KILN_ENTITLEMENTS$/);
  expect(of(['network.host', 'security.insecure'], 'network.host')).toContain(
    'got security.insecure, expected network.host',
  );
});
