#ifndef SILT_CLI_COMMAND_H
#define SILT_CLI_COMMAND_H

#include "silt/silt.h"

enum { EXIT_NOT_FOUND = 1, EXIT_USAGE = 2, EXIT_FAILED = 3 };

/* What a command works on; the arguments are those behind its name. */
typedef struct {
    silt_store *store;
    int argument_count;
    char **arguments;
} command_input;

typedef struct {
    const char *name;
    const char *parameters;
    const char *summary;
    int least_arguments;
    int most_arguments;
    /* Answers with the exit code. */
    int (*run)(const command_input *input);
} command;

int command_get(const command_input *input);
int command_put(const command_input *input);
int command_delete(const command_input *input);
int command_list(const command_input *input);
int command_export(const command_input *input);
int command_import(const command_input *input);
int command_compact(const command_input *input);
int command_check(const command_input *input);
int command_stats(const command_input *input);
int command_bench(const command_input *input);

/* The argument, or an empty slice if there are fewer. */
silt_slice argument_slice(const command_input *input, int position);

/* Complains on stderr if the status is a failure, and answers with the exit code that fits. */
int report(const char *what, silt_status status);

#endif
