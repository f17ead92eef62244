#include "toolbox.h"

/* Removes blanks at the ends of lines. */
int tool_trim(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    long blanks = 0;
    for (int c; (c = getc(in)) != EOF;) {
        if (c == ' ') {
            blanks++;
            continue;
        }
        for (; c != '\n' && blanks > 0; blanks--)
            putchar(' ');
        blanks = 0;
        putchar(c);
    }
    return 0;
}
