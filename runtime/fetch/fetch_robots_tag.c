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
    static const char *const names[] = {"max-snippet", "max-image-preview", "max-video-preview"};
    size_t i = 0;
    while (i < BASE_ARRAY_LEN(names) && !is_word(name, names[i])) {
        i++;
    }
    return i < BASE_ARRAY_LEN(names);
}

/* What is read of one line. */
struct reading {
    const char *at, *end;
    const char *agent;
    int64_t wall_ms;
    bool ours; /* a line that names nobody means everybody */
    struct fetch_result *result;
};

/* Up to the next comma, which is left behind. */
static struct base_slice take_entry(struct reading *r)
{
    const char *at = r->at, *comma = memchr(at, ',', (size_t)(r->end - at));
    const char *stop = comma != NULL ? comma : r->end;
    r->at = comma != NULL ? comma + 1 : r->end;
    return trim(at, stop);
}

/* libcurl reads the dates of HTTP and mail; those of ISO 8601 without their '-' and 'T', too. */
static bool read_date(struct base_slice date, int64_t *at_ms)
{
    char text[64];
    size_t len = 0;
    bool is_iso = date.len >= 10 && date.data[4] == '-' && date.data[7] == '-';
    if (date.len == 0 || date.len >= sizeof text) {
        return false;
    }
    for (size_t i = 0; i < date.len; i++) {
        char c = date.data[i];
        if (!is_iso || (i != 4 && i != 7 && c != 'Z' && (i < 20 || c != ':'))) {
            text[len++] = is_iso && c == 'T' ? ' ' : c;
        }
    }
    text[len] = '\0';
    time_t at = curl_getdate(text, NULL);
    *at_ms = (int64_t)at * 1000;
    return at != -1;
}

/* A date may have a comma behind its day of the week. */
static bool is_over(struct reading *r, struct base_slice date)
{
    int64_t at_ms;
    size_t i = 0;
    while (i < date.len && (date.data[i] < '0' || date.data[i] > '9')) {
        i++;
    }
    return read_date(i < date.len ? date : take_entry(r), &at_ms) && at_ms < r->wall_ms;
}

/* One entry between commas. "NAME: directive" turns to the agent NAME, up to the next name or the
 * end of the line. */
static void read_entry(struct reading *r)
{
    struct base_slice entry = take_entry(r);
    const char *end = entry.data + entry.len;
    const char *colon;
    while (entry.len > 0 && (colon = memchr(entry.data, ':', entry.len)) != NULL) {
        struct base_slice name = trim(entry.data, colon);
        entry = trim(colon + 1, end);
        if (is_word(name, "unavailable_after")) {
            r->result->noindex |= is_over(r, entry) && r->ours;
            return;
        }
        if (has_value(name) || memchr(name.data, ' ', name.len) != NULL) {
            return; /* or the rest of a date */
        }
        r->ours = is_word(name, r->agent) || is_word(name, "*");
    }
    bool none = is_word(entry, "none");
    r->result->noindex |= r->ours && (none || is_word(entry, "noindex"));
    r->result->nofollow |= r->ours && (none || is_word(entry, "nofollow"));
}

void fetch_read_robots_tag(const char *line, size_t len, const char *agent, int64_t wall_ms,
                           struct fetch_result *result)
{
    struct reading r = {line, line + len, agent, wall_ms, true, result};
    while (r.at < r.end) {
        read_entry(&r);
    }
}
