#include "toolbox.h"

#include <stdlib.h>

/* Prints the lines in the opposite order. */
int tool_tac(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    char **lines = NULL;
    size_t count = 0;
    for (;;) {
        char *line = NULL;
        size_t size = 0;
        if (getline(&line, &size, in) <= 0) {
            free(line);
            break;
        }
        char **more = realloc(lines, (count + 1) * sizeof *lines);
        if (!more)
            die("enough memory", "none");
        lines = more;
        lines[count++] = line;
    }
    while (count > 0) {
        fputs(lines[--count], stdout);
        free(lines[count]);
    }
    free(lines);
    return 0;
}
