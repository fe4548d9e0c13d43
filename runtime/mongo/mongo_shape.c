/* SPDX-License-Identifier: Apache-2.0 */
/* A command as a shape: names of fields and operators, no value. Written for each command that a
 * worker runs, so it makes one pass, allocates nothing and looks into no document it does not
 * show. */
#include "mongo_shape.h"
#include "mongo_walk.h"

#include <string.h>

#define DEPTH_MAX 6
#define BRANCHES_MAX 4 /* of $or and pipelines */
#define STAGES_MAX 8

/* ---- writing, cut at the end ---- */

static inline void put(struct shape_text *out, const char *text, uint32_t len)
{
    uint32_t room = (uint32_t)sizeof out->text - 1 - out->len;
    uint32_t taken = len < room ? len : room;
    memcpy(out->text + out->len, text, taken);
    out->len += taken;
}

static inline void put_char(struct shape_text *out, char c)
{
    put(out, &c, 1);
}

#define PUT(out, literal) put(out, literal, (uint32_t)sizeof(literal) - 1)

static inline void put_key(struct shape_text *out, const struct walk *at, bool is_first)
{
    if (!is_first) {
        put_char(out, ',');
    }
    put(out, at->key, at->key_len);
}

/* ---- filters ---- */

static void put_filter(struct shape_text *out, const struct walk *at, int depth);

static bool is_logical(const struct walk *at)
{
    return at->key[0] == '$' && (WALK_IS(at, "$or") || WALK_IS(at, "$and") || WALK_IS(at, "$nor"));
}

static void put_branches(struct shape_text *out, const struct walk *at, int depth)
{
    struct walk branch;
    PUT(out, ":[");
    if (walk_into(at, &branch)) {
        for (int i = 0; i < BRANCHES_MAX && walk_next(&branch); i++) {
            if (branch.type == BSON_TYPE_DOCUMENT) {
                put_filter(out, &branch, depth + 1);
            }
        }
    }
    put_char(out, ']');
}

/* A document is shown when it holds operators; otherwise it is a value. An element's key follows
 * the document's size and its own type. */
static inline bool holds_operators(const struct walk *at)
{
    return walk_int32(at->value) > 5 && at->value[5] == '$';
}

static void put_filter(struct shape_text *out, const struct walk *at, int depth)
{
    struct walk walk;
    bool is_first = true;
    put_char(out, '{');
    if (depth < DEPTH_MAX && walk_into(at, &walk)) {
        while (walk_next(&walk)) {
            put_key(out, &walk, is_first);
            is_first = false;
            if (walk.type == BSON_TYPE_ARRAY && is_logical(&walk)) {
                put_branches(out, &walk, depth);
            } else if (walk.type == BSON_TYPE_DOCUMENT &&
                       (holds_operators(&walk) || WALK_IS(&walk, "$elemMatch"))) {
                put_char(out, ':');
                put_filter(out, &walk, depth + 1);
            }
        }
    }
    put_char(out, '}');
}

/* Directions are part of the shape: an index has them too. */
static void put_sort(struct shape_text *out, const struct walk *at)
{
    struct walk walk;
    bool is_first = true;
    PUT(out, " sort:{");
    if (walk_into(at, &walk)) {
        while (walk_next(&walk)) {
            bool is_down = walk_sign(&walk) < 0;
            put_key(out, &walk, is_first);
            is_first = false;
            put(out, is_down ? ":-1" : ":1", is_down ? 3 : 2);
        }
    }
    put_char(out, '}');
}

/* "$set,$inc"; a replacement has no operators and an update pipeline is an array. */
static void put_change(struct shape_text *out, const struct walk *at)
{
    struct walk walk;
    bool is_first = true;
    if (at->type != BSON_TYPE_DOCUMENT) {
        PUT(out, " pipeline");
        return;
    }
    if (!holds_operators(at)) {
        PUT(out, " replace");
        return;
    }
    put_char(out, ' ');
    for (bool more = walk_into(at, &walk); more && walk_next(&walk);) {
        put_key(out, &walk, is_first);
        is_first = false;
    }
}

/* ---- parts of commands ---- */

static void put_stages(struct shape_text *out, const struct walk *at)
{
    struct walk stages, stage;
    PUT(out, " [");
    bool more = walk_into(at, &stages);
    for (int i = 0; i < STAGES_MAX && more && walk_next(&stages); i++) {
        if (!walk_into(&stages, &stage) || !walk_next(&stage)) {
            continue;
        }
        put_key(out, &stage, i == 0);
        if (stage.type == BSON_TYPE_DOCUMENT && WALK_IS(&stage, "$match")) {
            put_filter(out, &stage, 1);
        } else if (stage.type == BSON_TYPE_DOCUMENT && WALK_IS(&stage, "$sort")) {
            put_sort(out, &stage);
        }
    }
    put_char(out, ']');
}

static void put_statement(struct shape_text *out, struct walk *part)
{
    while (walk_next(part)) {
        if (WALK_IS(part, "q") && part->type == BSON_TYPE_DOCUMENT) {
            put_char(out, ' ');
            put_filter(out, part, 0);
        } else if (WALK_IS(part, "u")) {
            put_change(out, part);
        } else if (WALK_IS(part, "multi") && part->value[0] != 0) {
            PUT(out, " multi");
        }
    }
}

/* The first of the statements stands for all: a batch repeats one shape. */
static void put_statements(struct shape_text *out, const struct walk *at)
{
    struct walk list, part;
    if (walk_into(at, &list) && walk_next(&list) && walk_into(&list, &part)) {
        put_statement(out, &part);
    }
}

/* One field of the command; most are the driver's own and say nothing. */
static void put_part(struct shape_text *out, const struct walk *at)
{
    bool is_document = at->type == BSON_TYPE_DOCUMENT;
    bool is_array = at->type == BSON_TYPE_ARRAY;
    uint32_t len;
    switch (at->key[0]) {
    case 'f':
    case 'q':
        if (is_document && (WALK_IS(at, "filter") || WALK_IS(at, "query"))) {
            put_char(out, ' ');
            put_filter(out, at, 0);
        }
        break;
    case 's':
        if (is_document && WALK_IS(at, "sort")) {
            put_sort(out, at);
        } else if (WALK_IS(at, "skip") && walk_sign(at) > 0) {
            PUT(out, " skip");
        }
        break;
    case 'p':
        if (is_array && WALK_IS(at, "pipeline")) {
            put_stages(out, at);
        }
        break;
    case 'u':
        if (is_array && WALK_IS(at, "updates")) {
            put_statements(out, at);
        } else if (WALK_IS(at, "update")) {
            put_change(out, at);
        }
        break;
    case 'd':
        if (is_array && WALK_IS(at, "deletes")) {
            put_statements(out, at);
        }
        break;
    case 'k': /* of distinct: a field */
        if (WALK_IS(at, "key") && walk_text(at, &len) != NULL) {
            put_char(out, ' ');
            put(out, walk_text(at, &len), len);
        }
        break;
    default:
        break;
    }
}

/* ---- the whole ---- */

enum { OURS, COUNTED, EXPLAINED };

static const struct known_command {
    const char *name;
    int what;
} known[] = {
    {"find", EXPLAINED},    {"aggregate", EXPLAINED},
    {"update", EXPLAINED},  {"findAndModify", EXPLAINED},
    {"delete", EXPLAINED},  {"findandmodify", EXPLAINED},
    {"count", EXPLAINED},   {"distinct", EXPLAINED},
    {"ping", OURS},         {"hello", OURS},
    {"isMaster", OURS},     {"ismaster", OURS},
    {"serverStatus", OURS}, {"explain", OURS},
    {"endSessions", OURS},  {"saslStart", OURS},
    {"saslContinue", OURS}, {"authenticate", OURS},
};

static int kind_of(const char *name)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(known); i++) {
        if (known[i].name[0] == name[0] && strcmp(known[i].name, name) == 0) {
            return known[i].what;
        }
    }
    return COUNTED;
}

/* The collection is the command's first value, or, for getMore, a field of its own. */
static void put_where(struct shape_text *out, const char *database, const struct walk *first)
{
    struct walk at = *first;
    uint32_t len = 0;
    const char *collection = walk_text(&at, &len);
    while (collection == NULL && walk_next(&at)) {
        collection = WALK_IS(&at, "collection") ? walk_text(&at, &len) : NULL;
    }
    put(out, database, (uint32_t)strlen(database));
    if (collection != NULL) {
        put_char(out, '.');
        put(out, collection, len);
    }
}

bool shape_write(const char *database, const char *name, const bson_t *command,
                 struct shape_text *out)
{
    struct walk walk;
    int kind = kind_of(name);
    if (kind == OURS || !walk_begin(&walk, bson_get_data(command), command->len) ||
        !walk_next(&walk)) {
        return false;
    }
    out->len = 0;
    out->is_explainable = kind == EXPLAINED;
    put(out, name, (uint32_t)strlen(name));
    out->command_len = out->len;
    put_char(out, ' ');
    put_where(out, database, &walk);
    out->where_len = out->len - out->command_len - 1;
    while (walk_next(&walk)) {
        put_part(out, &walk);
    }
    out->text[out->len] = '\0';
    return true;
}

void shape_add_statement(struct shape_text *out, const uint8_t *first, uint32_t len)
{
    struct walk part;
    if (walk_begin(&part, first, len)) {
        put_statement(out, &part);
        out->text[out->len] = '\0';
    }
}
