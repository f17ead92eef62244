#include "silt/silt.h"

typedef struct {
    const uint8_t *data;
    size_t size;
} view;

static view view_of(silt_slice slice)
{
    return (view){.data = slice.data, .size = slice.size};
}

/*
 * Matches one byte against the set that begins behind `[` at *position, and moves behind its `]`. Without a closing
 * bracket it isn't a set: false in *closed, and nothing moved.
 */
static bool match_set(view pattern, size_t *position, uint8_t byte, bool *closed)
{
    size_t at = *position;
    bool negated = at < pattern.size && pattern.data[at] == '!';
    if (negated)
        at++;

    bool found = false;
    *closed = false;
    for (size_t first = at; at < pattern.size; at++) {
        /* A bracket right at the start stands for itself. */
        if (pattern.data[at] == ']' && at > first) {
            *closed = true;
            *position = at + 1;
            break;
        }
        uint8_t low = pattern.data[at];
        uint8_t high = low;
        if (at + 2 < pattern.size && pattern.data[at + 1] == '-' && pattern.data[at + 2] != ']') {
            high = pattern.data[at + 2];
            at += 2;
        }
        found = found || (low <= byte && byte <= high);
    }
    return found != negated;
}

/* Matches one byte against the pattern's element at *position, which isn't a star, and moves behind it. */
static bool match_one(view pattern, size_t *position, uint8_t byte)
{
    uint8_t element = pattern.data[(*position)++];
    if (element == '?')
        return true;
    if (element == '[') {
        bool closed;
        bool matched = match_set(pattern, position, byte, &closed);
        if (closed)
            return matched;
    }
    if (element == '\\' && *position < pattern.size)
        element = pattern.data[(*position)++];
    return element == byte;
}

bool silt_glob_match(silt_slice pattern_slice, silt_slice text_slice)
{
    view pattern = view_of(pattern_slice);
    view text = view_of(text_slice);
    size_t at_pattern = 0;
    size_t at_text = 0;
    /* Where to go on after a mismatch: behind the last star, with one more byte given to it. */
    size_t star_pattern = SIZE_MAX;
    size_t star_text = 0;

    while (at_text < text.size) {
        if (at_pattern < pattern.size && pattern.data[at_pattern] == '*') {
            star_pattern = ++at_pattern;
            star_text = at_text;
            continue;
        }
        if (at_pattern < pattern.size && match_one(pattern, &at_pattern, text.data[at_text])) {
            at_text++;
            continue;
        }
        if (star_pattern == SIZE_MAX)
            return false;
        at_pattern = star_pattern;
        at_text = ++star_text;
    }
    while (at_pattern < pattern.size && pattern.data[at_pattern] == '*')
        at_pattern++;
    return at_pattern == pattern.size;
}
