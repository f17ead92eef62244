#ifndef SILT_SEGMENT_H
#define SILT_SEGMENT_H

#include "buffer.h"

/* One file of the log: a magic word, then frames. Later segments have higher numbers. */
typedef struct {
    uint32_t number;
    int fd;
    uint64_t size;
} segment;

enum { SEGMENT_MAGIC_BYTES = 8, SEGMENT_NAME_BYTES = 24 };

void segment_name(uint32_t number, char name[SEGMENT_NAME_BYTES]);
/* False if the name isn't a segment's. */
bool segment_number(const char *name, uint32_t *number);

/* Makes a new, empty segment at `path`. */
silt_status segment_create(const char *path, uint32_t number, segment *out);
silt_status segment_open(const char *path, uint32_t number, segment *out);
void segment_close(segment *seg);

/* Appends a finished frame and tells where it begins. After a failure the segment is as it was. */
silt_status segment_append(segment *seg, silt_slice frame, uint64_t *offset);

/* Reads the frame at `offset` and verifies its checksum. `payload` keeps its memory for the next call. */
silt_status segment_read_frame(const segment *seg, uint64_t offset, buffer *payload);

/* Cuts off everything from `size` on. */
silt_status segment_truncate(segment *seg, uint64_t size);

typedef silt_status (*frame_visitor)(void *context, const segment *seg, uint64_t offset, silt_slice payload);

/*
 * Calls with every frame in order. If one can't be read, `*end` is where it begins and the answer SILT_CORRUPT;
 * `*torn` then tells whether it is merely the last one, cut short while it was written.
 */
silt_status segment_scan(const segment *seg, frame_visitor visit, void *context, uint64_t *end, bool *torn);

#endif
