#include "toolbox.h"

#include <stdlib.h>
#include <string.h>

/* Prints one line for several equal ones that follow each other. */
int tool_uniq(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    char *line = NULL, *last = NULL;
    size_t size = 0;
    while (getline(&line, &size, in) > 0) {
        if (last && strcmp(line, last) == 0)
            continue;
        fputs(line, stdout);
        free(last);
        last = strdup(line);
    }
    free(line);
    free(last);
    return 0;
}
