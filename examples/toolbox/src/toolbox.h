#ifndef TOOLBOX_H
#define TOOLBOX_H

#include <stdio.h>

/* A tool reads `in` and writes to standard output. Returns the exit code. */
typedef int tool(FILE *in, int argc, char **argv);

tool tool_bytes, tool_crc, tool_expand, tool_fold, tool_grep, tool_head, tool_hex, tool_lower, tool_number, tool_reverse;
tool tool_rot13, tool_squeeze, tool_sum, tool_tac, tool_tail, tool_trim, tool_uniq, tool_upper, tool_words;

/* Returns the number in an argument, or `otherwise` if there is none. Ends the program if it isn't a number. */
long number_of(int argc, char **argv, int index, long otherwise);

/* Prints why the program can't go on, and ends it. */
_Noreturn void die(const char *what, const char *got);

#endif
