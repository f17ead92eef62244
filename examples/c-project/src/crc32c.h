#ifndef SILT_CRC32C_H
#define SILT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), as iSCSI and ext4 use it. */
uint32_t crc32c(const void *data, size_t size);

#endif
