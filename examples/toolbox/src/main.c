#include "toolbox.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    tool *run;
} TOOLS[] = {
    {"bytes", tool_bytes}, {"crc", tool_crc}, {"expand", tool_expand}, {"fold", tool_fold}, {"grep", tool_grep},
    {"head", tool_head}, {"hex", tool_hex}, {"lower", tool_lower}, {"number", tool_number}, {"reverse", tool_reverse},
    {"rot13", tool_rot13}, {"squeeze", tool_squeeze}, {"sum", tool_sum}, {"tac", tool_tac}, {"tail", tool_tail},
    {"trim", tool_trim}, {"uniq", tool_uniq}, {"upper", tool_upper}, {"words", tool_words},
};

void die(const char *what, const char *got)
{
    fprintf(stderr, "toolbox: got %s, expected %s\n", got, what);
    exit(2);
}

long number_of(int argc, char **argv, int index, long otherwise)
{
    if (index >= argc)
        return otherwise;
    char *end;
    long value = strtol(argv[index], &end, 10);
    if (end == argv[index] || *end != '\0' || value < 0)
        die("a number", argv[index]);
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("the name of a tool", "nothing");
    for (size_t i = 0; i < sizeof TOOLS / sizeof *TOOLS; i++)
        if (strcmp(argv[1], TOOLS[i].name) == 0)
            return TOOLS[i].run(stdin, argc - 2, argv + 2);
    die("the name of a tool", argv[1]);
}
