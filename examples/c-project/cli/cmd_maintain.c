#include "command.h"

#include <inttypes.h>
#include <stdio.h>

int command_compact(const command_input *input)
{
    uint64_t before = silt_get_stats(input->store).stored_bytes;
    silt_status status = silt_compact(input->store);
    if (status == SILT_OK)
        printf("%" PRIu64 " -> %" PRIu64 " bytes\n", before, silt_get_stats(input->store).stored_bytes);
    return report("compact", status);
}

int command_check(const command_input *input)
{
    silt_bytes bad_key = {0};
    silt_status status = silt_check(input->store, &bad_key);
    if (status == SILT_OK)
        printf("%" PRIu64 " keys are sound\n", silt_get_stats(input->store).keys);
    else
        fprintf(stderr, "silt: key \"%.*s\"\n", (int)bad_key.size, (const char *)bad_key.data);
    silt_bytes_free(&bad_key);
    return report("check", status);
}

int command_stats(const command_input *input)
{
    silt_stats stats = silt_get_stats(input->store);
    printf("keys          %" PRIu64 "\n", stats.keys);
    printf("segments      %" PRIu64 "\n", stats.segments);
    printf("stored bytes  %" PRIu64 "\n", stats.stored_bytes);
    printf("live bytes    %" PRIu64 "\n", stats.live_bytes);
    return 0;
}
