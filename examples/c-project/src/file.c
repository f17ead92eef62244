#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

silt_status file_read_at(int fd, void *data, size_t size, uint64_t offset)
{
    uint8_t *at = data;
    while (size > 0) {
        ssize_t count = pread(fd, at, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return SILT_IO;
        if (count == 0)
            return SILT_CORRUPT; /* the file is shorter than what was written to it */
        at += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return SILT_OK;
}

silt_status file_write_at(int fd, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t count = pwrite(fd, at, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return SILT_IO;
        at += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return SILT_OK;
}

silt_status file_size(int fd, uint64_t *size)
{
    struct stat information;
    if (fstat(fd, &information) != 0)
        return SILT_IO;
    *size = (uint64_t)information.st_size;
    return SILT_OK;
}

silt_status file_sync(int fd)
{
    return fdatasync(fd) == 0 ? SILT_OK : SILT_IO;
}

silt_status directory_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return SILT_IO;
    silt_status status = fsync(fd) == 0 ? SILT_OK : SILT_IO;
    close(fd);
    return status;
}

char *path_join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path != NULL)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}
