#include "hash.h"

#include <string.h>

static uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    value ^= value >> 29;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    return value;
}

uint64_t hash_bytes(silt_slice bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    uint64_t hash = mix(left);
    for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = mix(hash ^ word);
        at += sizeof word;
    }
    if (left > 0) {
        uint64_t word = 0;
        memcpy(&word, at, left);
        hash = mix(hash ^ word);
    }
    return hash;
}
