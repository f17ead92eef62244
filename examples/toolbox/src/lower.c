#include "toolbox.h"

/* Prints ASCII letters in lower case. */
int tool_lower(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int c; (c = getc(in)) != EOF;)
        putchar(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return 0;
}
