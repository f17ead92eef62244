#include "toolbox.h"

#include <stdlib.h>
#include <string.h>

/* Prints the lines that contain a text. The exit code is 1 if there are none. */
int tool_grep(FILE *in, int argc, char **argv)
{
    if (argc < 1)
        die("the text to look for", "nothing");
    char *line = NULL;
    size_t size = 0;
    int found = 1;
    while (getline(&line, &size, in) > 0)
        if (strstr(line, argv[0])) {
            fputs(line, stdout);
            found = 0;
        }
    free(line);
    return found;
}
