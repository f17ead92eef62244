import { openApiDocument } from '@kiln/contracts';
import type { Handler } from '../access/call.ts';
import { sendJson } from '../http/answer.ts';
import { API_VERSION } from '../version.ts';
import { docsPage } from './docs-page.ts';

/** The description of the API, made at the first request for it: making it takes longer than the rest of the start of an API. */
export function docsHandlers(): { readonly openapi: Handler; readonly docs: Handler } {
  let document: ReturnType<typeof openApiDocument> | undefined;
  let page: ReturnType<typeof docsPage> | undefined;
  const described = () => {
    document ??= openApiDocument(API_VERSION);
    return document;
  };
  return {
    openapi: async (_request, response) => sendJson(response, 200, described()),
    docs: async (request, response) => {
      page ??= docsPage(described());
      await page(request, response);
    },
  };
}
