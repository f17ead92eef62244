#include "crc32c.h"
#include "test.h"

/* RFC 3720, appendix B.4, and the customary check value. */
static void known_values(void)
{
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t ascending[32];
    memset(ones, 0xff, sizeof ones);
    for (size_t at = 0; at < sizeof ascending; at++)
        ascending[at] = (uint8_t)at;

    CHECK(crc32c("123456789", 9) == 0xe3069283u);
    CHECK(crc32c(zeros, sizeof zeros) == 0x8a9136aau);
    CHECK(crc32c(ones, sizeof ones) == 0x62a8ab43u);
    CHECK(crc32c(ascending, sizeof ascending) == 0x46dd794eu);
    CHECK(crc32c("", 0) == 0);
}

static void every_single_bit_counts(void)
{
    char message[] = "the quick brown fox";
    uint32_t original = crc32c(message, sizeof message);
    for (size_t bit = 0; bit < 8 * sizeof message; bit++) {
        message[bit / 8] = (char)(message[bit / 8] ^ (1 << (bit % 8)));
        CHECK(crc32c(message, sizeof message) != original);
        message[bit / 8] = (char)(message[bit / 8] ^ (1 << (bit % 8)));
    }
}

SUITE(crc32c, {"known values", known_values}, {"every single bit counts", every_single_bit_counts});
