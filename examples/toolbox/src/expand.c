#include "toolbox.h"

/* Replaces tabs by blanks, up to the next multiple of 8 columns or of those given. */
int tool_expand(FILE *in, int argc, char **argv)
{
    long width = number_of(argc, argv, 0, 8), column = 0;
    if (width == 0)
        die("a width of at least 1", "0");
    for (int c; (c = getc(in)) != EOF;) {
        if (c != '\t') {
            putchar(c);
            column = c == '\n' ? 0 : column + 1;
            continue;
        }
        do
            putchar(' ');
        while (++column % width != 0);
    }
    return 0;
}
