import { z } from 'zod';
import { kilnConfig } from './kiln-config.ts';

/** JSON Schema of `.kiln.yaml` for editors; draft 7, which is what the YAML language server knows best. */
export function kilnConfigJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(kilnConfig, { io: 'input', target: 'draft-7' }) as Record<string, unknown>;
}
