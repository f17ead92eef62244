#include "toolbox.h"

/* Adds up the numbers of the input. */
int tool_sum(FILE *in, int argc, char **argv)
{
    (void)argc, (void)argv;
    double sum = 0;
    for (double value; fscanf(in, "%lf", &value) == 1;)
        sum += value;
    if (!feof(in))
        die("numbers", "something else");
    printf("%.15g\n", sum);
    return 0;
}
