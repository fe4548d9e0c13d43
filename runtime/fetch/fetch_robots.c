/* SPDX-License-Identifier: Apache-2.0 */
/* robots.txt (RFC 9309): parser and matcher. Linear in the file and, per rule, in the target. */
#include "fetch_internal.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A line counts up to here, the rest of it is cut (google/robotstxt: 8 * 2,083 less the NUL). */
#define MAX_LINE 16663

/* Allowed by itself, whatever the rules say (RFC 9309, 2.2.2). */
#define ROBOTS_PATH "/robots.txt"

struct rule {
    const char *pattern; /* octets outside ASCII percent-encoded, hex in upper case */
    uint32_t len;
    uint32_t line;
    bool allow;
    bool anchored; /* ended with '$', which is cut off the pattern (len counts it) */
};

struct agent {
    const char *token; /* "*" or a product token */
    uint32_t group;
};

/* What the agents named in a row have in common: with many agents and many rules, a copy for each
 * agent would be quadratic work for the parser, and for every URL again. */
struct group {
    uint32_t first_rule, rule_count;
    double crawl_delay_s;
};

struct fetch_robots {
    struct base_arena arena;
    struct rule *rules;
    struct agent *agents;
    struct group *groups;
    const char **sitemaps;
    uint32_t rule_count, agent_count, group_count, sitemap_count;
    uint32_t rule_cap, agent_cap, group_cap, sitemap_cap;
    /* parsing only */
    uint32_t line;
    bool group_has_rules; /* the last one: the next agent opens another */
    bool failed;
};

/* One more element at the end of a growing array, zeroed; NULL without memory. */
static void *grow(void **array, uint32_t *count, uint32_t *cap, size_t size)
{
    if (*count == *cap) {
        uint32_t wanted = *cap == 0 ? 16 : *cap * 2;
        void *more = realloc(*array, wanted * size);
        if (more == NULL) {
            return NULL;
        }
        *array = more;
        *cap = wanted;
    }
    char *item = (char *)*array + (size_t)(*count)++ * size;
    memset(item, 0, size);
    return item;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static struct base_slice trim(const char *data, size_t len)
{
    while (len > 0 && (data[0] == ' ' || data[0] == '\t' || data[0] == '\v' || data[0] == '\f')) {
        data++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)data[len - 1])) {
        len--;
    }
    return (struct base_slice){data, len};
}

/* "key: value", or "key value" when there are exactly two words (a common mistake). */
static bool split_line(struct base_slice line, struct base_slice *key, struct base_slice *value)
{
    const char *hash = memchr(line.data, '#', line.len);
    line = trim(line.data, hash != NULL ? (size_t)(hash - line.data) : line.len);
    const char *end = line.data + line.len;
    const char *colon = memchr(line.data, ':', line.len);
    if (line.len == 0) {
        return false;
    }
    if (colon != NULL) {
        *key = trim(line.data, (size_t)(colon - line.data));
        *value = trim(colon + 1, (size_t)(end - colon - 1));
        return key->len > 0;
    }
    const char *gap = line.data;
    while (gap < end && *gap != ' ' && *gap != '\t') {
        gap++;
    }
    *key = (struct base_slice){line.data, (size_t)(gap - line.data)};
    *value = trim(gap, (size_t)(end - gap));
    return value->len > 0 && memchr(value->data, ' ', value->len) == NULL &&
           memchr(value->data, '\t', value->len) == NULL;
}

enum key { KEY_OTHER, KEY_AGENT, KEY_ALLOW, KEY_DISALLOW, KEY_SITEMAP, KEY_DELAY };

/* Names with the misspellings that Google's parser accepts. */
static const struct {
    const char *name;
    enum key key;
} keys[] = {
    {"user-agent", KEY_AGENT},  {"useragent", KEY_AGENT},   {"user agent", KEY_AGENT},
    {"allow", KEY_ALLOW},       {"disallow", KEY_DISALLOW}, {"dissallow", KEY_DISALLOW},
    {"dissalow", KEY_DISALLOW}, {"disalow", KEY_DISALLOW},  {"diasllow", KEY_DISALLOW},
    {"disallaw", KEY_DISALLOW}, {"sitemap", KEY_SITEMAP},   {"site-map", KEY_SITEMAP},
    {"crawl-delay", KEY_DELAY},
};

static enum key key_of(struct base_slice name)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(keys); i++) {
        if (strlen(keys[i].name) == name.len &&
            strncasecmp(keys[i].name, name.data, name.len) == 0) {
            return keys[i].key;
        }
    }
    return KEY_OTHER;
}

/* ---- building ------------------------------------------------------------------------------- */

static bool open_group(struct fetch_robots *r)
{
    struct group *group = grow((void **)&r->groups, &r->group_count, &r->group_cap, sizeof(*group));
    if (group == NULL) {
        r->failed = true;
        return false;
    }
    group->first_rule = r->rule_count;
    group->crawl_delay_s = -1;
    r->group_has_rules = false;
    return true;
}

/* A product token is letters, '-' and '_' (RFC 9309, 2.2.1). */
static size_t token_length(const char *name, size_t len)
{
    size_t n = 0;
    while (n < len && (isalpha((unsigned char)name[n]) || name[n] == '-' || name[n] == '_')) {
        n++;
    }
    return n;
}

/* A user-agent line after rules opens the next group; others join the group that is open. */
static void add_agent(struct fetch_robots *r, struct base_slice value)
{
    if ((r->group_count == 0 || r->group_has_rules) && !open_group(r)) {
        return;
    }
    bool star = value.len > 0 && value.data[0] == '*' &&
                (value.len == 1 || isspace((unsigned char)value.data[1]));
    size_t len = token_length(value.data, value.len);
    struct agent *agent = grow((void **)&r->agents, &r->agent_count, &r->agent_cap, sizeof(*agent));
    if (agent == NULL) {
        r->failed = true;
        return;
    }
    agent->token = star ? "*" : base_arena_strndup(&r->arena, value.data, len);
    agent->group = r->group_count - 1;
    r->failed |= agent->token == NULL;
}

/* Copy a pattern in the form in which it is compared. */
static const char *normal_pattern(struct fetch_robots *r, struct base_slice value, uint32_t *len)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = base_arena_alloc(&r->arena, value.len * 3 + 1);
    size_t n = 0;
    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c >= 0x80) {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        } else if (c == '%' && i + 2 < value.len && isxdigit((unsigned char)value.data[i + 1]) &&
                   isxdigit((unsigned char)value.data[i + 2])) {
            out[n++] = '%';
            out[n++] = (char)toupper((unsigned char)value.data[++i]);
            out[n++] = (char)toupper((unsigned char)value.data[++i]);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n] = '\0';
    *len = (uint32_t)n;
    return out;
}

static void add_rule(struct fetch_robots *r, bool allow, struct base_slice value)
{
    r->group_has_rules = r->agent_count > 0;
    if (r->agent_count == 0 || value.len == 0) {
        return; /* rules before any group are ignored; an empty rule forbids nothing */
    }
    struct rule *rule = grow((void **)&r->rules, &r->rule_count, &r->rule_cap, sizeof(*rule));
    if (rule == NULL || (rule->pattern = normal_pattern(r, value, &rule->len)) == NULL) {
        r->failed = true;
        return;
    }
    rule->allow = allow;
    rule->line = r->line;
    rule->anchored = rule->pattern[rule->len - 1] == '$';
    struct group *group = &r->groups[r->group_count - 1];
    group->rule_count = r->rule_count - group->first_rule;
}

/* "Allow: /dir/index.html" allows "/dir/" itself too (Google's reading; it can only allow more). */
static void add_index_rule(struct fetch_robots *r, struct base_slice value)
{
    char text[1024];
    size_t slash = value.len;
    while (slash > 0 && value.data[slash - 1] != '/') {
        slash--;
    }
    if (slash == 0 || slash + 2 > sizeof(text) || value.len - slash < 9 ||
        memcmp(value.data + slash, "index.htm", 9) != 0) {
        return;
    }
    memcpy(text, value.data, slash);
    text[slash] = '$';
    add_rule(r, true, (struct base_slice){text, slash + 1});
}

static void add_delay(struct fetch_robots *r, struct base_slice value)
{
    char text[32];
    char *end;
    if (value.len == 0 || value.len >= sizeof(text)) {
        return;
    }
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    double seconds = strtod(text, &end);
    if (end == text || !(seconds >= 0) || seconds > 1e9) {
        return;
    }
    if (r->group_count > 0) {
        r->groups[r->group_count - 1].crawl_delay_s = seconds;
    }
}

static void add_sitemap(struct fetch_robots *r, struct base_slice value)
{
    const char **item =
        grow((void **)&r->sitemaps, &r->sitemap_count, &r->sitemap_cap, sizeof(*item));
    if (item == NULL || (*item = base_arena_strndup(&r->arena, value.data, value.len)) == NULL) {
        r->failed = true;
    }
}

static void read_line(struct fetch_robots *r, struct base_slice line)
{
    struct base_slice key, value;
    line.len = line.len > MAX_LINE ? MAX_LINE : line.len;
    r->line++;
    if (!split_line(line, &key, &value)) {
        return;
    }
    switch (key_of(key)) {
    case KEY_AGENT:
        add_agent(r, value);
        break;
    case KEY_ALLOW:
        add_rule(r, true, value);
        add_index_rule(r, value);
        break;
    case KEY_DISALLOW:
        add_rule(r, false, value);
        break;
    case KEY_SITEMAP:
        add_sitemap(r, value);
        break;
    case KEY_DELAY:
        add_delay(r, value);
        break;
    case KEY_OTHER:
        break;
    }
}

enum gleaner_status fetch_robots_parse(const char *body, size_t len, struct fetch_robots **out)
{
    static const char bom[] = "\xEF\xBB\xBF";
    size_t at = 0;
    *out = NULL;
    struct fetch_robots *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return GLEANER_E_NOMEM;
    }
    while (at < 3 && at < len && body[at] == bom[at]) {
        at++; /* a broken mark is skipped as far as it goes */
    }
    while (at < len) {
        size_t end = at;
        while (end < len && body[end] != '\n' && body[end] != '\r') {
            end++;
        }
        read_line(r, (struct base_slice){body + at, end - at});
        at = end + 1;
        if (end + 1 < len && body[end] == '\r' && body[end + 1] == '\n') {
            at++;
        }
    }
    if (r->failed) {
        fetch_robots_free(&r);
        return GLEANER_E_NOMEM;
    }
    *out = r;
    return GLEANER_OK;
}

void fetch_robots_free(struct fetch_robots **robots)
{
    struct fetch_robots *r = *robots;
    if (r != NULL) {
        base_arena_fini(&r->arena);
        free(r->rules);
        free(r->agents);
        free(r->groups);
        free(r->sitemaps);
        free(r);
        *robots = NULL;
    }
}

const char *fetch_robots_sitemap(const struct fetch_robots *robots, size_t i)
{
    return i < robots->sitemap_count ? robots->sitemaps[i] : NULL;
}

/* ---- matching ------------------------------------------------------------------------------- */

/* Path and query of `target`, which may be a whole URL; never empty. */
static struct base_slice path_of(const char *target)
{
    const char *path = target;
    if (*target != '/') {
        const char *slashes = strstr(target, "//");
        const char *from = slashes != NULL ? slashes + 2 : target;
        path = from + strcspn(from, "/?;");
    }
    struct base_slice out = {path, strcspn(path, "#")};
    return out.len == 0 ? (struct base_slice){"/", 1} : out;
}

/* Pieces between stars are searched leftmost first, which is right for '*' and needs no way back.
 */
static bool rule_matches(const struct rule *rule, const char *path, size_t len)
{
    const char *pattern = rule->pattern;
    const char *end = pattern + rule->len - (rule->anchored ? 1 : 0);
    size_t at = 0;
    bool first = true;
    for (;;) {
        const char *star = memchr(pattern, '*', (size_t)(end - pattern));
        size_t n = (size_t)((star != NULL ? star : end) - pattern);
        bool last = star == NULL;
        if (len - at < n) {
            return false;
        }
        if (first) {
            if (memcmp(path, pattern, n) != 0) {
                return false;
            }
            at = n;
        } else if (last && rule->anchored) {
            return memcmp(path + len - n, pattern, n) == 0;
        } else if (n > 0) {
            const char *hit = memmem(path + at, len - at, pattern, n);
            if (hit == NULL) {
                return false;
            }
            at = (size_t)(hit - path) + n;
        }
        if (last) {
            return !rule->anchored || at == len;
        }
        first = false;
        pattern = star + 1;
    }
}

/* The longest matching rule of one group; at equal length an allow wins. */
static const struct rule *longest_match(const struct fetch_robots *r, const struct group *group,
                                        struct base_slice path, const struct rule *best)
{
    for (uint32_t i = 0; i < group->rule_count; i++) {
        const struct rule *rule = &r->rules[group->first_rule + i];
        bool better = best == NULL || rule->len > best->len ||
                      (rule->len == best->len && rule->allow && !best->allow);
        if (better && rule_matches(rule, path.data, path.len)) {
            best = rule;
        }
    }
    return best;
}

/* A copy of the target with upper-case hex, when it has any escape at all. */
static struct base_slice upper_escapes(struct base_slice path, char *room, size_t size)
{
    if (memchr(path.data, '%', path.len) == NULL || path.len >= size) {
        return path;
    }
    for (size_t i = 0; i < path.len; i++) {
        bool in_escape = (i >= 1 && path.data[i - 1] == '%') || (i >= 2 && path.data[i - 2] == '%');
        room[i] = in_escape ? (char)toupper((unsigned char)path.data[i]) : path.data[i];
    }
    return (struct base_slice){room, path.len};
}

static bool is_named(const struct agent *agent, struct base_slice token)
{
    return token.len > 0 && strncasecmp(agent->token, token.data, token.len) == 0 &&
           agent->token[token.len] == '\0';
}

/* The token whose groups hold for `agent`: its own where the file names it, else "*". A version is
 * not part of it, nor are digits, which end the names in the file, too: "bot42" would not find
 * itself. Anything else behind the token makes another name of it. */
static struct base_slice token_for(const struct fetch_robots *robots, const char *agent)
{
    struct base_slice own = {agent, token_length(agent, strlen(agent))};
    if (agent[own.len] != '/' && !isdigit((unsigned char)agent[own.len])) {
        own.len = strlen(agent);
    }
    for (uint32_t i = 0; i < robots->agent_count; i++) {
        if (is_named(&robots->agents[i], own)) {
            return own;
        }
    }
    return (struct base_slice){"*", 1};
}

void fetch_robots_match(const struct fetch_robots *robots, const char *agent, const char *target,
                        struct fetch_robots_answer *out)
{
    char room[4096];
    struct base_slice path = upper_escapes(path_of(target), room, sizeof(room));
    struct base_slice token = token_for(robots, agent);
    const struct rule *best = NULL;
    *out = (struct fetch_robots_answer){.allowed = true, .crawl_delay_s = -1};
    uint32_t done = UINT32_MAX; /* one group may name the agent several times */
    for (uint32_t i = 0; i < robots->agent_count; i++) {
        const struct agent *a = &robots->agents[i];
        if (a->group != done && is_named(a, token)) {
            const struct group *group = &robots->groups[a->group];
            done = a->group;
            best = longest_match(robots, group, path, best);
            out->crawl_delay_s =
                group->crawl_delay_s >= 0 ? group->crawl_delay_s : out->crawl_delay_s;
        }
    }
    bool is_robots =
        path.len == strlen(ROBOTS_PATH) && memcmp(path.data, ROBOTS_PATH, path.len) == 0;
    if (best != NULL && !is_robots) {
        out->allowed = best->allow;
        out->line = best->line;
    }
}
