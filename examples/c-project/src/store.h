#ifndef SILT_STORE_H
#define SILT_STORE_H

#include "index.h"
#include "segment.h"

struct silt_store {
    char *directory;
    int lock_fd;
    silt_options options;
    key_index index;
    /* In ascending order of their numbers; the last one takes the writes. */
    segment *segments;
    size_t segment_count;
    uint64_t live_bytes;
    /* Disk and index may disagree. Reads go on, writes don't: replaying on open settles it. */
    bool broken;
    buffer scratch; /* payload of the frame last read */
};

/* Adds a segment behind the others; the store owns it from then on. */
silt_status store_add_segment(silt_store *store, segment seg);
/* Begins a new segment, numbered `number`, for the writes to come. */
silt_status store_begin_segment(silt_store *store, uint32_t number);
char *store_segment_path(const silt_store *store, uint32_t number);
const segment *store_find_segment(const silt_store *store, uint32_t number);
segment *store_active_segment(silt_store *store);

/* Brings the index up to date with a frame's operations. */
silt_status store_apply(silt_store *store, const segment *seg, uint64_t offset, silt_slice payload);

/* Reads the value at `where` into the scratch buffer; the slice holds until the next read. */
silt_status store_read_value(silt_store *store, const location *where, silt_slice *value);

/* Finds the segments in the directory and replays them. */
silt_status store_recover(silt_store *store);

struct silt_batch {
    buffer frame;
};

#endif
