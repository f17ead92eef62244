import { z } from 'zod';
import { kilnConfig } from './kiln-config.ts';

/** Returns the JSON Schema of `.kiln.yaml` for editors, in draft 7, which the YAML language server supports best. */
export function kilnConfigJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(kilnConfig, { io: 'input', target: 'draft-7' }) as Record<string, unknown>;
}
