#include "toolbox.h"

/* Prints the CRC-32 (IEEE 802.3) of the input. */
int tool_crc(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    unsigned crc = ~0u;
    for (int c; (c = getc(in)) != EOF;) {
        crc ^= (unsigned)c;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    printf("%08x\n", ~crc);
    return 0;
}
