#include "index.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

static size_t home_of(const key_index *index, uint64_t hash)
{
    return (size_t)hash & (index->capacity - 1);
}

static size_t next_of(const key_index *index, size_t position)
{
    return (position + 1) & (index->capacity - 1);
}

/* memcmp may not be asked about nothing: the empty key's data may be NULL. */
static bool has_key(const index_slot *slot, silt_slice key, uint64_t hash)
{
    return slot->hash == hash && slot->key_size == key.size &&
           (key.size == 0 || memcmp(slot->key, key.data, key.size) == 0);
}

/* Position of the key's slot, or of the free slot where it would go. Needs a free slot. */
static size_t position_of(const key_index *index, silt_slice key, uint64_t hash)
{
    size_t position = home_of(index, hash);
    for (;; position = next_of(index, position)) {
        const index_slot *slot = &index->slots[position];
        if (slot->key == NULL || has_key(slot, key, hash))
            return position;
    }
}

const location *index_find(const key_index *index, silt_slice key)
{
    if (index->count == 0)
        return NULL;
    const index_slot *slot = &index->slots[position_of(index, key, hash_bytes(key))];
    return slot->key == NULL ? NULL : &slot->where;
}

static silt_status grow(key_index *index)
{
    key_index larger = {.capacity = index->capacity > 0 ? index->capacity * 2 : FIRST_CAPACITY};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return SILT_NO_MEMORY;

    for (size_t old = 0; old < index->capacity; old++) {
        const index_slot *slot = &index->slots[old];
        if (slot->key == NULL)
            continue;
        size_t position = home_of(&larger, slot->hash);
        while (larger.slots[position].key != NULL)
            position = next_of(&larger, position);
        larger.slots[position] = *slot;
    }
    larger.count = index->count;
    free(index->slots);
    *index = larger;
    return SILT_OK;
}

silt_status index_put(key_index *index, silt_slice key, location where, bool *replaced, location *previous)
{
    /* Kept at most three quarters full, so that probes stay short and a free slot always ends them. */
    if ((index->count + 1) * 4 > index->capacity * 3) {
        silt_status status = grow(index);
        if (status != SILT_OK)
            return status;
    }

    uint64_t hash = hash_bytes(key);
    index_slot *slot = &index->slots[position_of(index, key, hash)];
    *replaced = slot->key != NULL;
    if (*replaced) {
        *previous = slot->where;
        slot->where = where;
        return SILT_OK;
    }

    uint8_t *copy = malloc(key.size > 0 ? key.size : 1);
    if (copy == NULL)
        return SILT_NO_MEMORY;
    if (key.size > 0)
        memcpy(copy, key.data, key.size);
    *slot = (index_slot){.hash = hash, .key = copy, .key_size = key.size, .where = where};
    index->count++;
    return SILT_OK;
}

bool index_remove(key_index *index, silt_slice key, location *previous)
{
    if (index->count == 0)
        return false;
    size_t hole = position_of(index, key, hash_bytes(key));
    if (index->slots[hole].key == NULL)
        return false;
    *previous = index->slots[hole].where;
    free(index->slots[hole].key);
    index->count--;

    /* Close the gap: move back each follower whose probe from home passes over the hole. */
    for (size_t follower = next_of(index, hole); index->slots[follower].key != NULL;
         follower = next_of(index, follower)) {
        size_t mask = index->capacity - 1;
        size_t distance_home = (follower - home_of(index, index->slots[follower].hash)) & mask;
        size_t distance_hole = (follower - hole) & mask;
        if (distance_home >= distance_hole) {
            index->slots[hole] = index->slots[follower];
            hole = follower;
        }
    }
    index->slots[hole] = (index_slot){0};
    return true;
}

silt_status index_each(const key_index *index, index_visitor visit, void *context)
{
    for (size_t position = 0; position < index->capacity; position++) {
        if (index->slots[position].key == NULL)
            continue;
        silt_status status = visit(context, &index->slots[position]);
        if (status != SILT_OK)
            return status;
    }
    return SILT_OK;
}

void index_free(key_index *index)
{
    for (size_t position = 0; position < index->capacity; position++)
        free(index->slots[position].key);
    free(index->slots);
    *index = (key_index){0};
}
