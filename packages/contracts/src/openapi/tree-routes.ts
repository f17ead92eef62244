import { TREE_PARTS_TYPE } from '../http/constants.ts';
import { missingTreeParts, storedTreeParts, storeTreeQuery, treeDigests, treeQuery } from '../http/trees.ts';
import { anyTrust, type RouteDoc } from './route.ts';

const parts = {
  [TREE_PARTS_TYPE]: {
    raw: 'binary',
    description:
      'Directories, each with its files of up to 32 KiB, and larger files, one after the other, in the format of `packages/trees/src/merkle/parts-stream.ts`.',
  },
} as const;

/** Routes for contexts as trees, addressed by their content. */
export const TREE_ROUTES = {
  findMissingTreeParts: {
    method: 'post',
    path: '/v1/trees/missing',
    tag: 'Contexts and artifacts',
    access: { ...anyTrust('builds:write', 'request'), workers: true },
    changes: false,
    summary: 'Find out what of a tree must be uploaded',
    description:
      'Ask from the root down: a directory that is stored has everything below it, and need not be asked about further. What is reported as stored stays so for an hour at least.',
    query: treeQuery,
    body: { 'application/json': treeDigests },
    answers: {
      200: { description: 'What is missing.', content: { 'application/json': missingTreeParts } },
    },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'],
  },
  storeTreeParts: {
    method: 'post',
    path: '/v1/trees',
    tag: 'Contexts and artifacts',
    access: { ...anyTrust('builds:write', 'request'), workers: true },
    summary: 'Upload parts of trees',
    description:
      'Send every directory after all that it names. Each part is stored as it arrives: after an error, or if the connection is lost, those that arrived whole remain, and the beginning of the last file is kept for a while. Then ask again what is missing.',
    query: storeTreeQuery,
    headers: { 'Content-Encoding': { description: '`identity` (default), `gzip` or `zstd`.' } },
    body: parts,
    answers: {
      200: { description: 'All parts are stored durably.', content: { 'application/json': storedTreeParts } },
    },
    problems: [
      'invalid_request',
      'unsupported_media_type',
      'body_too_large',
      'context_invalid',
      'context_incomplete',
      'tree_incomplete',
      'disk_full',
      'storage_full',
      'storage_quota_exceeded',
    ],
  },
  readTreeParts: {
    method: 'post',
    path: '/v1/trees/read',
    tag: 'Contexts and artifacts',
    access: { who: 'users', scopes: ['builds:read'], workers: true, teams: 'request' },
    changes: false,
    summary: 'Download parts of trees',
    query: treeQuery,
    body: { 'application/json': treeDigests },
    answers: { 200: { description: 'The parts, in any order.', content: parts } },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large', 'tree_part_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
