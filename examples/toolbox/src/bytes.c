#include "toolbox.h"

/* Counts bytes. */
int tool_bytes(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    long count = 0;
    while (getc(in) != EOF)
        count++;
    printf("%ld\n", count);
    return 0;
}
