/** `npm run docs`: generates the pages again that are made from the code. */
import { GENERATED, readPage, writePage } from './generated.ts';

for (const page of GENERATED) {
  const before = readPage(page);
  const now = page.render(before);
  if (now !== before) writePage(page, now);
  process.stdout.write(`${page.file}: ${now === before ? 'up to date' : 'written'}\n`);
}
