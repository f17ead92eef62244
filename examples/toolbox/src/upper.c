#include "toolbox.h"

/* Prints ASCII letters in upper case. */
int tool_upper(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int c; (c = getc(in)) != EOF;)
        putchar(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return 0;
}
