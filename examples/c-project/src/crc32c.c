#include "crc32c.h"

#include <stdbool.h>

enum { LANES = 4, BYTE_VALUES = 256 };

/* tables[n][b]: what byte b contributes when n more bytes follow it within the same step. */
static uint32_t tables[LANES][BYTE_VALUES];
static bool tables_ready;

static void fill_tables(void)
{
    const uint32_t polynomial = 0x82f63b78u;

    for (uint32_t byte = 0; byte < BYTE_VALUES; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1u) != 0 ? polynomial : 0u);
        tables[0][byte] = crc;
    }
    for (int lane = 1; lane < LANES; lane++) {
        for (uint32_t byte = 0; byte < BYTE_VALUES; byte++) {
            uint32_t previous = tables[lane - 1][byte];
            tables[lane][byte] = (previous >> 8) ^ tables[0][previous & 0xffu];
        }
    }
    tables_ready = true;
}

uint32_t crc32c(const void *data, size_t size)
{
    if (!tables_ready)
        fill_tables();

    const uint8_t *bytes = data;
    uint32_t crc = ~0u;
    while (size >= LANES) {
        crc ^= (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
        crc = tables[3][crc & 0xffu] ^ tables[2][(crc >> 8) & 0xffu] ^ tables[1][(crc >> 16) & 0xffu] ^
              tables[0][crc >> 24];
        bytes += LANES;
        size -= LANES;
    }
    for (; size > 0; size--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *bytes++) & 0xffu];
    return ~crc;
}
