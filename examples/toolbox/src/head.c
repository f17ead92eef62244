#include "toolbox.h"

/* Prints the first 10 lines or those given. */
int tool_head(FILE *in, int argc, char **argv)
{
    long left = number_of(argc, argv, 0, 10);
    for (int c; left > 0 && (c = getc(in)) != EOF;) {
        putchar(c);
        left -= c == '\n';
    }
    return 0;
}
