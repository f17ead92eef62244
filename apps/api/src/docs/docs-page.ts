import type { Handler } from '../http/handlers.ts';
export function docsPage(): Handler {
  return async (_request, response) => {
    response.type('html').send('<!doctype html><title>Kiln</title><a href="/openapi.json">OpenAPI</a>');
  };
}
