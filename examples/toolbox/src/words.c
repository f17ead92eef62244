#include "toolbox.h"

/* Counts words. */
int tool_words(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    long count = 0;
    for (int c, was_blank = 1; (c = getc(in)) != EOF;) {
        int is_blank = c == ' ' || c == '\t' || c == '\n';
        count += was_blank && !is_blank;
        was_blank = is_blank;
    }
    printf("%ld\n", count);
    return 0;
}
