#include "test.h"

typedef struct {
    const char *pattern;
    const char *text;
    bool matches;
} glob_case;

static const glob_case cases[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "anything", true},
    {"user/*", "user/7", true},
    {"user/*", "users", false},
    {"*/name", "user/7/name", true},
    {"*/name", "user/7/names", false},
    {"a*b*c", "a-b-b-c", true},
    {"a*b*c", "a-c-b", false},
    {"?", "a", true},
    {"?", "", false},
    {"a?c", "abc", true},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[!a-c]x", "ax", false},
    {"[]]", "]", true},
    {"[a-]", "-", true},
    {"[ab", "[ab", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"end\\", "end\\", true},
    {"**a**", "bab", true},
};

static void matches(void)
{
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        bool matched = silt_glob_match(text(cases[at].pattern), text(cases[at].text));
        if (matched != cases[at].matches)
            fprintf(stderr, "pattern \"%s\", text \"%s\"\n", cases[at].pattern, cases[at].text);
        CHECK(matched == cases[at].matches);
    }
}

/* Many stars on a long text: a matcher that tries every combination would not come back. */
static void stays_quick(void)
{
    static char long_text[20000];
    memset(long_text, 'a', sizeof long_text);
    silt_slice subject = {.data = long_text, .size = sizeof long_text};
    CHECK(!silt_glob_match(text("*a*a*a*a*a*a*a*a*b"), subject));
    CHECK(silt_glob_match(text("*a*a*a*a*a*a*a*a*"), subject));
}

SUITE(glob, {"matches", matches}, {"stays quick", stays_quick});
