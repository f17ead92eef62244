#include "toolbox.h"

/* Breaks lines at 80 bytes or those given. */
int tool_fold(FILE *in, int argc, char **argv)
{
    long width = number_of(argc, argv, 0, 80), column = 0;
    if (width == 0)
        die("a width of at least 1", "0");
    for (int c; (c = getc(in)) != EOF;) {
        if (c != '\n' && column == width) {
            putchar('\n');
            column = 0;
        }
        putchar(c);
        column = c == '\n' ? 0 : column + 1;
    }
    return 0;
}
