export { MemoryTrees, type TestTree } from './memory-trees.ts';
export {
  BLOCK_BYTES,
  CLOSE,
  climbingLinks,
  paxRecord,
  type RawHeader,
  rawEntry,
  rawPax,
  rawTar,
  signed,
  twofoldTar,
} from './raw-tar.ts';
export { filePart, type MadeTree, type TreeSpec, type TreeSpecs, treeOf } from './tree-of.ts';
