/* SPDX-License-Identifier: Apache-2.0 */
/* X-Robots-Tag: what an answer asks of those who fetched it. */
#include "fetch_internal.h"
#include <string.h>
#include <strings.h>

static struct base_slice trim(const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (from < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (struct base_slice){from, (size_t)(end - from)};
}

static bool is_word(struct base_slice text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

/* Directives with a value: "max-image-preview: none" does not say "none". */
static bool has_value(struct base_slice name)
{
    static const char *const names[] = {"unavailable_after", "max-snippet", "max-image-preview",
                                        "max-video-preview"};
    size_t i = 0;
    while (i < BASE_ARRAY_LEN(names) && !is_word(name, names[i])) {
        i++;
    }
    return i < BASE_ARRAY_LEN(names);
}

/* One entry between commas. "NAME: directive" turns to the agent NAME, up to the next name or the
 * end of the line; *ours says whether that is us. */
static void read_entry(struct base_slice entry, const char *agent, bool *ours,
                       struct fetch_result *result)
{
    const char *end = entry.data + entry.len;
    const char *colon = entry.len > 0 ? memchr(entry.data, ':', entry.len) : NULL;
    if (colon != NULL) {
        struct base_slice name = trim(entry.data, colon);
        if (has_value(name) || memchr(name.data, ' ', name.len) != NULL) {
            return; /* or the rest of a date */
        }
        *ours = is_word(name, agent) || is_word(name, "*");
        entry = trim(colon + 1, end);
    }
    bool none = is_word(entry, "none");
    result->noindex |= *ours && (none || is_word(entry, "noindex"));
    result->nofollow |= *ours && (none || is_word(entry, "nofollow"));
}

void fetch_read_robots_tag(const char *line, size_t len, const char *agent,
                           struct fetch_result *result)
{
    const char *at = line, *end = line + len;
    bool ours = true; /* a line that names nobody means everybody */
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        read_entry(trim(at, stop), agent, &ours, result);
        at = stop + 1;
    }
}
