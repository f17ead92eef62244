import { isIP } from 'node:net';
import { z } from 'zod';

const NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];
const EXPECTED =
  'comma-separated addresses or networks, such as 10.0.0.0/8, loopback or uniquelocal; or the number of proxies in front';

/**
 * Parses the proxies whose `X-Forwarded-For` is trusted. `true`, which would trust everybody, isn't accepted.
 */
export const trustProxy = z
  .string()
  .default('')
  .transform((text, ctx): readonly string[] | number => {
    if (/^\d{1,2}$/.test(text)) return Number(text);
    const parts = text.split(',').map((part) => part.trim());
    const networks = parts.filter((part) => part !== '');
    if (networks.every(isNetwork)) return networks;
    ctx.addIssue({ code: 'custom', message: EXPECTED, input: text });
    return z.NEVER;
  });

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0) return NETWORKS.includes(text);
  return (
    more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
  );
}
