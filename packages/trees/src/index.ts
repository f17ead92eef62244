export { type BuildFiles, buildFiles, MAX_BUILD_FILE_BYTES, NoBuildFile } from './build-files.ts';
export { compareContexts } from './compare/compare-contexts.ts';
export { EntryTree, type NamedEntry, type Resolution, type TreeNode } from './entry-tree.ts';
export type { EntryType } from './header-guard.ts';
export { type IndexOptions, indexTar } from './index-tar.ts';
export { ByteReader } from './merkle/byte-reader.ts';
export { type ByteString, byteString, fromBytes, joinBytes, shownBytes, toBytes } from './merkle/byte-string.ts';
export {
  type DirectoryObject,
  decodeDirectory,
  digestOf,
  emptyDirectory,
  encodeDirectory,
  INLINE_BYTES,
  inlineFiles,
  referencesOf,
} from './merkle/directory.ts';
export {
  contentBytes,
  type DirectoryPart,
  type FilePart,
  readParts,
  type TreePart,
  writeParts,
} from './merkle/parts-stream.ts';
export { entriesOf, partEntries, partOf } from './merkle/read-entries.ts';
export { resolveInTree, type TreeResolution } from './merkle/resolve.ts';
export { decodeTimes, encodeTimes } from './merkle/times.ts';
export type { Digest, DirectoryEntry, DirectoryNode, Entry, FileEntry, SymlinkEntry } from './merkle/tree-entry.ts';
export { TreeCutOff, TreeFault } from './merkle/tree-fault.ts';
export { TreePartMissing, type TreeReader, type WantedParts } from './merkle/tree-reader.ts';
export { type ReadTarOptions, readTar, type TarEntry } from './read-tar.ts';
export { NotADirectory } from './real-dirs.ts';
export { quoted, shortened, TarCutOff, TarFault } from './tar-fault.ts';
export { copyOut, type Unpacked, type UnpackOptions, unpackTar } from './unpack-tar.ts';
export { assignTimes, settledEntries } from './working/assign-times.ts';
export { checkReadable } from './working/check-readable.ts';
export { type ListedBuildFiles, listedBuildFiles } from './working/listed-build-files.ts';
export { MerkleSource, type MerkleSourceOptions } from './working/merkle-source.ts';
export { PathLookup } from './working/path-lookup.ts';
export { type Splice, splicesOf } from './working/record-delta.ts';
export { identityOf, isSameEntry, isSameTimed, newestTime, type TimedEntry } from './working/timed-entry.ts';
export { isUnchanged, type TreeChanges, treeChanges } from './working/tree-changes.ts';
export {
  decodeHead,
  decodeRecord,
  encodeDelta,
  encodeHead,
  encodeRecord,
  type TreeRecord,
} from './working/tree-record.ts';
export {
  type FileContent,
  type ListedDirectory,
  type ListedEntry,
  type ListedFile,
  type ListedSymlink,
  type Listing,
  notFilesOf,
  type TreeSource,
} from './working/tree-source.ts';
export { commonTime, padding, paxHeaders, secondsText, tarEnd, tarHeaders } from './working/write-tar.ts';
