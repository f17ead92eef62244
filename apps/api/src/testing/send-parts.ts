import { buffer } from 'node:stream/consumers';
import { TREE_PARTS_TYPE } from '@kiln/contracts';
import { type TreePart, writeParts } from '@kiln/trees';
import type { TestApi } from './test-api.ts';

/** The body and headers of a `POST /v1/trees`. */
export async function partsRequest(parts: Iterable<TreePart>) {
  return { body: new Uint8Array(await buffer(writeParts(parts))), headers: { 'content-type': TREE_PARTS_TYPE } };
}

/** Uploads parts of trees. `query` is that of the request, such as `?team=web`. */
export async function sendParts(
  api: Pick<TestApi, 'fetch'>,
  parts: Iterable<TreePart>,
  query = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const request = await partsRequest(parts);
  const init = { ...request, headers: { ...request.headers, ...headers } };
  return api.fetch(`/v1/trees${query}`, { method: 'POST', ...init });
}
