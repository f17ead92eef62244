#include "command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const command commands[] = {
    {"get", "KEY", "print a key's value", 1, 1, command_get},
    {"put", "KEY [VALUE]", "set a key's value, read from standard input if not given", 1, 2, command_put},
    {"delete", "KEY", "remove a key", 1, 1, command_delete},
    {"list", "[PATTERN]", "print the keys that match, in order", 0, 1, command_list},
    {"export", "[PREFIX]", "print keys and values as lines of JSON", 0, 1, command_export},
    {"import", "", "read what export prints", 0, 0, command_import},
    {"compact", "", "drop what is no longer live", 0, 0, command_compact},
    {"check", "", "verify every checksum", 0, 0, command_check},
    {"stats", "", "print sizes and counts", 0, 0, command_stats},
    {"bench", "COUNT", "write and read that many keys under bench/", 1, 1, command_bench},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *stream)
{
    fputs("usage: silt [-d DIRECTORY] [-n] COMMAND ...\n\n"
          "  -d DIRECTORY  where the store is; otherwise $SILT_DIR, or else ./silt-data\n"
          "  -n            don't wait for the disk with every write\n\n",
          stream);
    for (size_t at = 0; at < COMMAND_COUNT; at++)
        fprintf(stream, "  %-7s %-12s %s\n", commands[at].name, commands[at].parameters, commands[at].summary);
}

static const command *find_command(const char *name)
{
    for (size_t at = 0; at < COMMAND_COUNT; at++) {
        if (strcmp(commands[at].name, name) == 0)
            return &commands[at];
    }
    return NULL;
}

static int run_in_store(const command *chosen, command_input *input, const char *directory,
                        const silt_options *options)
{
    silt_status status = silt_open(directory, options, &input->store);
    if (status != SILT_OK)
        return report(directory, status);
    int exit_code = chosen->run(input);
    status = silt_close(input->store);
    if (fflush(stdout) != 0)
        status = SILT_IO;
    return exit_code != 0 ? exit_code : report(directory, status);
}

int main(int argc, char **argv)
{
    const char *directory = getenv("SILT_DIR");
    if (directory == NULL)
        directory = "silt-data";
    silt_options options = silt_default_options();

    int option;
    while ((option = getopt(argc, argv, "+d:nh")) != -1) {
        switch (option) {
        case 'd':
            directory = optarg;
            break;
        case 'n':
            options.sync_writes = false;
            break;
        case 'h':
            print_usage(stdout);
            return 0;
        default:
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }

    const command *chosen = optind < argc ? find_command(argv[optind]) : NULL;
    command_input input = {.argument_count = argc - optind - 1, .arguments = argv + optind + 1};
    if (chosen == NULL || input.argument_count < chosen->least_arguments ||
        input.argument_count > chosen->most_arguments) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return run_in_store(chosen, &input, directory, &options);
}
