/* SPDX-License-Identifier: Apache-2.0 */
/* Dates in URLs: what calendars and archives are made of. */
#include "queue_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { YEAR_MIN = 1000, YEAR_MAX = 2999 };

static size_t digits_at(const char *url, size_t len, size_t at)
{
    size_t end = at;
    while (end < len && isdigit((unsigned char)url[end])) {
        end++;
    }
    return end - at;
}

static uint32_t number_at(const char *url, size_t at, size_t len)
{
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value * 10 + (uint32_t)(url[at + i] - '0');
    }
    return value;
}

static void add_part(struct url_date *date, size_t at, size_t len)
{
    date->parts[date->part_count].at = at;
    date->parts[date->part_count++].len = len;
}

static bool is_in(uint32_t value, uint32_t low, uint32_t high)
{
    return value >= low && value <= high;
}

/* 20240512 or 202405. */
static bool read_packed(const char *url, size_t at, size_t digits, struct url_date *out)
{
    if (digits != 6 && digits != 8) {
        return false;
    }
    out->year = number_at(url, at, 4);
    out->month = number_at(url, at + 4, 2);
    /* Six digits are more often a number than a month: only what looks like our time counts. */
    bool is_date =
        is_in(out->month, 1, 12) && (digits == 6 ? is_in(out->year, 1900, 2199)
                                                 : is_in(out->year, YEAR_MIN, YEAR_MAX) &&
                                                       is_in(number_at(url, at + 6, 2), 1, 31));
    if (is_date) {
        add_part(out, at, digits);
    }
    return is_date;
}

/* 2024-05, 2024/5, 2024/05/12: the same sign between all. */
static bool read_separated(const char *url, size_t len, size_t at, struct url_date *out)
{
    size_t sign = at + 4;
    if (sign >= len || strchr("-/_.", url[sign]) == NULL) {
        return false;
    }
    size_t month_len = digits_at(url, len, sign + 1);
    out->year = number_at(url, at, 4);
    out->month = is_in((uint32_t)month_len, 1, 2) ? number_at(url, sign + 1, month_len) : 0;
    if (!is_in(out->year, YEAR_MIN, YEAR_MAX) || !is_in(out->month, 1, 12)) {
        return false;
    }
    add_part(out, at, 4);
    add_part(out, sign + 1, month_len);
    size_t next = sign + 1 + month_len;
    size_t day_len = next < len && url[next] == url[sign] ? digits_at(url, len, next + 1) : 0;
    if (is_in((uint32_t)day_len, 1, 2) && is_in(number_at(url, next + 1, day_len), 1, 31)) {
        add_part(out, next + 1, day_len);
    }
    return true;
}

/* year=2024&month=5&day=3, in any order. */
static bool read_parameters(const char *url, size_t len, size_t query, struct url_date *out)
{
    static const char *const names[] = {"year", "month", "day"};
    for (size_t at = query + 1; at < len && out->part_count < 3;) {
        const char *end = memchr(url + at, '&', len - at);
        size_t stop = end != NULL ? (size_t)(end - url) : len;
        for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
            size_t name_len = strlen(names[i]), value = at + name_len + 1;
            if (value >= stop || strncasecmp(url + at, names[i], name_len) != 0 ||
                url[value - 1] != '=' || digits_at(url, stop, value) != stop - value ||
                stop - value > 4) {
                continue;
            }
            add_part(out, value, stop - value);
            out->year = i == 0 ? number_at(url, value, stop - value) : out->year;
            out->month = i == 1 ? number_at(url, value, stop - value) : out->month;
        }
        at = stop + 1;
    }
    return is_in(out->year, YEAR_MIN, YEAR_MAX) && out->month <= 12;
}

bool queue_find_date(const char *url, size_t len, struct url_date *out)
{
    for (size_t at = queue_origin_length(url, len); at < len;) {
        size_t digits = digits_at(url, len, at);
        *out = (struct url_date){0};
        if (digits == 4 ? read_separated(url, len, at, out) : read_packed(url, at, digits, out)) {
            return true;
        }
        *out = (struct url_date){0};
        if (url[at] == '?' && read_parameters(url, len, at, out)) {
            return true;
        }
        at += digits > 0 ? digits : 1;
    }
    *out = (struct url_date){0};
    return false;
}
