export { type BuildFiles, buildFiles, NoBuildFile } from './build-files.ts';
export { EntryTree, type NamedEntry, type Resolution, type TreeNode } from './entry-tree.ts';
export type { EntryType } from './header-guard.ts';
export { type IndexOptions, indexTar } from './index-tar.ts';
export { type ReadTarOptions, readTar, type TarEntry } from './read-tar.ts';
export { NotADirectory } from './real-dirs.ts';
export { quoted, shortened, TarCutOff, TarFault } from './tar-fault.ts';
export { copyOut, type Unpacked, type UnpackOptions, unpackTar } from './unpack-tar.ts';
