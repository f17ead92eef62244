import { z } from 'zod';

/** The header of every answer that has the server's version. */
export const VERSION_HEADER = 'Kiln-Version';

export const versionView = z
  .strictObject({ version: z.string().meta({ description: 'Of the process that answers.', examples: ['1.2.3'] }) })
  .meta({ id: 'Version' });
export type VersionView = z.output<typeof versionView>;
