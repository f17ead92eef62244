#ifndef SILT_HASH_H
#define SILT_HASH_H

#include "silt/silt.h"

/* Not for data an attacker chooses: the seed is fixed. */
uint64_t hash_bytes(silt_slice bytes);

#endif
