#include "toolbox.h"

#include <stdlib.h>
#include <sys/types.h>

/* Reverses the bytes of each line. */
int tool_reverse(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, in)) > 0;) {
        int ends = line[length - 1] == '\n';
        for (ssize_t i = length - ends; i-- > 0;)
            putchar(line[i]);
        if (ends)
            putchar('\n');
    }
    free(line);
    return 0;
}
