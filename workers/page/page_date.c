/* SPDX-License-Identifier: Apache-2.0 */
/* Dates as people write them into metadata: "Fri, 25 Jun 2010 15:00:00 PST", "25-Jun-10 15:00:00
 * GMT", "2010-06-25T15:00:00+02:00", "2010-06-25". Numbers, names and their order tell what is
 * what; what is neither is passed over. */
#include "page_robots.h"

struct reading {
    const char *at, *end;
    long year, month, day, seconds; /* of the day */
    long zone;                      /* seconds east of UTC */
    bool has_year, has_day, has_time;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* At most nine digits; how many there were. */
static unsigned take_number(struct reading *r, long *number)
{
    unsigned count = 0;
    *number = 0;
    while (r->at < r->end && is_digit(*r->at) && count < 9) {
        *number = *number * 10 + (*r->at++ - '0');
        count++;
    }
    return count;
}

static bool is_next(const struct reading *r, char c)
{
    return r->end - r->at >= 2 && r->at[0] == c && is_digit(r->at[1]);
}

static void take_time(struct reading *r, long hours)
{
    long part;
    r->seconds = hours * 3600;
    for (long unit = 60; unit > 0 && is_next(r, ':'); unit /= 60) {
        r->at++;
        (void)take_number(r, &part);
        r->seconds += part * unit;
    }
    if (is_next(r, '.')) {
        r->at++;
        (void)take_number(r, &part); /* a fraction */
    }
    r->has_time = true;
}

/* 2010-06-25, of which the year is read. */
static void take_iso_day(struct reading *r)
{
    r->at++;
    (void)take_number(r, &r->month);
    if (is_next(r, '-')) {
        r->at++;
        r->has_day = take_number(r, &r->day) > 0;
    }
}

static void take_digits(struct reading *r)
{
    long number;
    unsigned count = take_number(r, &number);
    if (!r->has_time && is_next(r, ':')) {
        take_time(r, number);
    } else if (!r->has_year && count == 8) {
        r->year = number / 10000;
        r->month = number / 100 % 100;
        r->day = number % 100;
        r->has_year = r->has_day = true;
    } else if (!r->has_year && (count == 4 || r->has_day)) {
        r->year = count == 4 ? number : number + (number < 70 ? 2000 : 1900);
        r->has_year = true;
        if (!r->has_day && r->month == 0 && is_next(r, '-')) {
            take_iso_day(r);
        }
    } else if (!r->has_day) {
        r->day = number;
        r->has_day = true;
    }
}

static void take_name(struct reading *r)
{
    static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec"};
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"est", -5}, {"edt", -4}, {"cst", -6}, {"cdt", -5}, {"mst", -7},
                 {"mdt", -6}, {"pst", -8}, {"pdt", -7}, {"cet", 1},  {"cest", 2}};
    struct text_slice name = {r->at, 0};
    while (r->at < r->end && ((*r->at | 32) >= 'a' && (*r->at | 32) <= 'z')) {
        r->at++;
        name.len++;
    }
    struct text_slice front = {name.data, name.len < 3 ? name.len : 3};
    for (size_t i = 0; i < sizeof months / sizeof months[0] && r->month == 0; i++) {
        r->month = text_equals_word(front, months[i]) ? (long)i + 1 : 0;
    }
    for (size_t i = 0; i < sizeof zones / sizeof zones[0] && r->has_time; i++) {
        r->zone = text_equals_word(name, zones[i].name) ? zones[i].hours * 3600L : r->zone;
    }
}

/* +0200, +02:00, +02 */
static void take_zone(struct reading *r)
{
    long sign = *r->at++ == '-' ? -1 : 1;
    long hours, minutes = 0;
    unsigned count = take_number(r, &hours);
    if (count > 2) {
        minutes = hours % 100;
        hours /= 100;
    } else if (is_next(r, ':')) {
        r->at++;
        (void)take_number(r, &minutes);
    }
    r->zone = sign * (hours * 3600 + minutes * 60);
}

/* Days since 1970 of the Gregorian calendar, counted from the first of March. */
static int64_t days_of(long year, long month, long day)
{
    year -= month <= 2 ? 1 : 0;
    long era_day = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)year * 365 + year / 4 - year / 100 + year / 400 + era_day - 719468;
}

bool page_read_date(struct text_slice text, int64_t *seconds)
{
    struct reading r = {.at = text.data, .end = text.data + text.len};
    while (r.at < r.end) {
        char c = *r.at;
        if (is_digit(c)) {
            take_digits(&r);
        } else if ((c | 32) >= 'a' && (c | 32) <= 'z') {
            take_name(&r);
        } else if (r.has_time && (is_next(&r, '+') || is_next(&r, '-'))) {
            take_zone(&r);
        } else {
            r.at++;
        }
    }
    bool is_good = r.has_year && r.has_day && r.year >= 1 && r.year <= 9999 && r.month >= 1 &&
                   r.month <= 12 && r.day >= 1 && r.day <= 31;
    *seconds = is_good ? days_of(r.year, r.month, r.day) * 86400 + r.seconds - r.zone : 0;
    return is_good;
}
