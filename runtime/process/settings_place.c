/* SPDX-License-Identifier: Apache-2.0 */
/* Where a connection string leads, whoever goes there and how. */
#include "settings_internal.h"
#include <string.h>

bool settings_is_uri(const char *text)
{
    return strncmp(text, "mongodb://", 10) == 0 || strncmp(text, "mongodb+srv://", 14) == 0;
}

struct part {
    const char *at;
    size_t len;
};

struct place {
    struct part scheme, hosts, database, beside; /* beside: " NAME" after the URI */
};

static struct part part_of(const char *from, const char *to)
{
    return (struct part){from, (size_t)(to - from)};
}

/* The last @ ends the user: a password that forgot to escape its own stays out of the hosts. */
static const char *after_user(const char *from, const char *end)
{
    for (const char *at = end; at > from; at--) {
        if (at[-1] == '@') {
            return at;
        }
    }
    return from;
}

static struct place place_of(const char *text)
{
    const char *end = text + strcspn(text, " ");
    const char *colon = strstr(text, "://");
    if (colon == NULL || colon > end) { /* embedded, none */
        const char *all = text + strlen(text);
        struct part none = part_of(all, all);
        return (struct place){part_of(text, all), none, none, none};
    }
    const char *options = text + strcspn(text, "? ");
    const char *hosts = after_user(colon + 3, options);
    const char *slash = memchr(hosts, '/', (size_t)(options - hosts));
    const char *hosts_end = slash != NULL ? slash : options;
    return (struct place){
        .scheme = part_of(text, colon),
        .hosts = part_of(hosts, hosts_end),
        .database = part_of(slash != NULL ? slash + 1 : options, options),
        .beside = part_of(end, end + strlen(end)),
    };
}

static bool same_part(struct part a, struct part b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

bool settings_same_place(const char *a, const char *b)
{
    struct place x = place_of(a);
    struct place y = place_of(b);
    return same_part(x.scheme, y.scheme) && same_part(x.hosts, y.hosts) &&
           same_part(x.database, y.database) && same_part(x.beside, y.beside);
}

/* Leases, the frontier and the spool are of one deployment: a process that took another one over
 * would deliver there what it holds for this one. */
bool settings_may_change(const struct settings *before, const struct settings *after, size_t index)
{
    const struct setting *setting = &settings_table[index];
    return setting->is_live && (setting->offset != offsetof(struct settings, target) ||
                                settings_same_place(before->target, after->target));
}
