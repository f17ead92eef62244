#ifndef SILT_LOCK_H
#define SILT_LOCK_H

#include "silt/silt.h"

/* Takes the directory for this process; the lock goes with the file descriptor, so a crash releases it. */
silt_status lock_acquire(const char *directory, int *fd);
void lock_release(int fd);

#endif
