#include "toolbox.h"

/* Prints one blank for several. */
int tool_squeeze(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int c, last = 0; (c = getc(in)) != EOF; last = c)
        if (c != ' ' || last != ' ')
            putchar(c);
    return 0;
}
