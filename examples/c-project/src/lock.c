#include "lock.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

silt_status lock_acquire(const char *directory, int *fd)
{
    char *path = path_join(directory, "lock");
    if (path == NULL)
        return SILT_NO_MEMORY;
    int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    free(path);
    if (opened < 0)
        return SILT_IO;
    if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
        silt_status status = errno == EWOULDBLOCK ? SILT_LOCKED : SILT_IO;
        close(opened);
        return status;
    }
    *fd = opened;
    return SILT_OK;
}

void lock_release(int fd)
{
    close(fd);
}
