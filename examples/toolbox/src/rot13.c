#include "toolbox.h"

static int turned(int c, int first)
{
    return c >= first && c < first + 26 ? first + (c - first + 13) % 26 : c;
}

/* Replaces each ASCII letter by the one 13 places on. */
int tool_rot13(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int c; (c = getc(in)) != EOF;)
        putchar(turned(turned(c, 'a'), 'A'));
    return 0;
}
