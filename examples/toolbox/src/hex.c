#include "toolbox.h"

/* Prints the input as hexadecimal digits, 16 bytes a line. */
int tool_hex(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    long at = 0;
    for (int c; (c = getc(in)) != EOF; at++)
        printf("%s%02x", at == 0 ? "" : at % 16 == 0 ? "\n" : " ", (unsigned)c);
    if (at > 0)
        putchar('\n');
    return 0;
}
