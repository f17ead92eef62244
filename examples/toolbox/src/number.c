#include "toolbox.h"

/* Numbers the lines. */
int tool_number(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    long line = 0;
    for (int c, last = '\n'; (c = getc(in)) != EOF; last = c) {
        if (last == '\n')
            printf("%ld\t", ++line);
        putchar(c);
    }
    return 0;
}
