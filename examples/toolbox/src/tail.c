#include "toolbox.h"

#include <stdlib.h>

/* Prints the last 10 lines or those given. */
int tool_tail(FILE *in, int argc, char **argv)
{
    size_t kept = (size_t)number_of(argc, argv, 0, 10), count = 0;
    if (kept == 0)
        return 0;
    char **lines = calloc(kept, sizeof *lines);
    if (!lines)
        die("enough memory", "none");
    char *line = NULL;
    for (size_t size = 0; getline(&line, &size, in) > 0; line = NULL, size = 0) {
        free(lines[count % kept]);
        lines[count++ % kept] = line;
    }
    free(line);
    for (size_t i = count > kept ? count - kept : 0; i < count; i++)
        fputs(lines[i % kept], stdout);
    for (size_t i = 0; i < kept; i++)
        free(lines[i]);
    free(lines);
    return 0;
}
