#ifndef SILT_INDEX_H
#define SILT_INDEX_H

#include "silt/silt.h"

/* Where the latest value of a key lies. */
typedef struct {
    uint64_t frame_offset; /* in the segment's file */
    uint32_t segment;
    uint32_t frame_bytes; /* header included */
    uint32_t value_offset; /* in the frame's payload */
    uint32_t value_bytes;
} location;

typedef struct {
    uint64_t hash;
    uint8_t *key; /* NULL: the slot is free */
    size_t key_size;
    location where;
} index_slot;

/* A hash table with linear probing. All zero is a valid, empty index. */
typedef struct {
    index_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} key_index;

/* NULL if the key isn't there. The pointer holds until the next change. */
const location *index_find(const key_index *index, silt_slice key);

/* Sets where the key's value lies; `replaced` tells whether there was one, and `previous` where. */
silt_status index_put(key_index *index, silt_slice key, location where, bool *replaced, location *previous);

/* False if the key isn't there. */
bool index_remove(key_index *index, silt_slice key, location *previous);

/* Calls with each slot in use, in no particular order. */
typedef silt_status (*index_visitor)(void *context, index_slot *slot);
silt_status index_each(const key_index *index, index_visitor visit, void *context);

void index_free(key_index *index);

#endif
