#ifndef SILT_FILE_H
#define SILT_FILE_H

#include "silt/silt.h"

/* Like the system calls they are named for, but whole: they go on after a partial transfer or a signal. */
silt_status file_read_at(int fd, void *data, size_t size, uint64_t offset);
silt_status file_write_at(int fd, const void *data, size_t size, uint64_t offset);
silt_status file_size(int fd, uint64_t *size);
silt_status file_sync(int fd);

/* Makes renames, creations and removals in a directory last. */
silt_status directory_sync(const char *path);

/* "directory/name", to be freed; NULL if there is no memory. */
char *path_join(const char *directory, const char *name);

#endif
