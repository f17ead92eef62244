/*
 * The `node` of the command's image: decompresses Node into memory and runs it there. An image with Node as it is would be three times as
 * large. Writes no file, so it works on a read-only file system and as any user. Needs 110 MB of memory, and about 0.2 s.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#ifndef PACKED
#error "PACKED: the file with Node, compressed by zstd in one frame that has its size"
#endif
/* Since Linux 6.3, where an operator may have made it a condition. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static void fail(const char *what, const char *why) {
  fprintf(stderr, "node: could not %s: %s\n", what, why);
  exit(126);
}

static void *map(size_t bytes, int access, int file, const char *what) {
  void *at = mmap(NULL, bytes, access, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) fail(what, strerror(errno));
  return at;
}

int main(int argc, char **argv) {
  (void)argc;
  int packed = open(PACKED, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (packed < 0 || fstat(packed, &info) < 0) fail("open " PACKED, strerror(errno));
  size_t packed_bytes = (size_t)info.st_size;
  void *from = map(packed_bytes, PROT_READ, packed, "read " PACKED);
  unsigned long long bytes = ZSTD_getFrameContentSize(from, packed_bytes);
  if (bytes == ZSTD_CONTENTSIZE_UNKNOWN || bytes == ZSTD_CONTENTSIZE_ERROR) fail("read " PACKED, "it has no size");

  int node = memfd_create("node", MFD_CLOEXEC | MFD_EXEC);
  if (node < 0 && errno == EINVAL) node = memfd_create("node", MFD_CLOEXEC);
  if (node < 0 || ftruncate(node, (off_t)bytes) < 0) fail("get memory", strerror(errno));
  void *to = map(bytes, PROT_READ | PROT_WRITE, node, "get memory");
  size_t written = ZSTD_decompress(to, bytes, from, packed_bytes);
  if (ZSTD_isError(written)) fail("decompress " PACKED, ZSTD_getErrorName(written));
  if (written != bytes) fail("decompress " PACKED, "it is incomplete");
  /* A file that is mapped for writing can't be executed. */
  munmap(to, bytes);
  munmap(from, packed_bytes);
  fexecve(node, argv, environ);
  fail("run", strerror(errno));
}
