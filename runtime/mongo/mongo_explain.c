/* SPDX-License-Identifier: Apache-2.0 */
/* The plan behind one slow command, and the index it would like. The planner alone is asked
 * (verbosity queryPlanner): nothing is executed. */
#include "mongo_internal.h"
#include "mongo_shape.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLE_MAX_BYTES 16384
#define PLAN_DEPTH_MAX 40
#define FIELDS_MAX 6
#define EXPLAIN_MAX_MS 2000

struct mongo_sample {
    bson_t *command; /* its own: a bson_t wants 128 bytes of alignment, more than calloc() gives */
    char database[64];
};

/* ---- samples ---- */

/* What the driver adds, and what explain does not take. */
static const char *const left_out[] = {
    "lsid",        "txnNumber", "autocommit", "startTransaction", "writeConcern",
    "readConcern", "maxTimeMS", "ordered",    "documents",        "bypassDocumentValidation"};

static bool is_left_out(const char *key)
{
    if (key[0] == '$') { /* $db, $clusterTime, $readPreference */
        return true;
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(left_out); i++) {
        if (strcmp(key, left_out[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* One statement of an update or delete: explain takes no more. */
static bool append_first(bson_t *out, const char *key, const bson_iter_t *list)
{
    bson_iter_t first;
    bson_t array;
    if (!bson_iter_recurse(list, &first) || !bson_iter_next(&first)) {
        return false;
    }
    return bson_append_array_begin(out, key, -1, &array) &&
           bson_append_iter(&array, "0", 1, &first) && bson_append_array_end(out, &array);
}

static bool copy_command(const bson_t *command, bson_t *out)
{
    bson_iter_t iter;
    if (!bson_iter_init(&iter, command)) {
        return false;
    }
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        bool is_statements = BSON_ITER_HOLDS_ARRAY(&iter) &&
                             (strcmp(key, "updates") == 0 || strcmp(key, "deletes") == 0);
        bool is_good = is_left_out(key) ? true
                       : is_statements  ? append_first(out, key, &iter)
                                        : bson_append_iter(out, NULL, 0, &iter);
        if (!is_good || out->len > SAMPLE_MAX_BYTES) {
            return false;
        }
    }
    return true;
}

struct mongo_sample *mongo_sample_create(const char *database, const char *name,
                                         const bson_t *command)
{
    (void)name; /* the command's first key */
    struct mongo_sample *sample = calloc(1, sizeof *sample);
    if (sample == NULL) {
        return NULL;
    }
    sample->command = bson_new();
    snprintf(sample->database, sizeof sample->database, "%s", database);
    if (!copy_command(command, sample->command)) {
        mongo_sample_destroy(&sample);
    }
    return sample;
}

void mongo_sample_destroy(struct mongo_sample **sample)
{
    if (*sample != NULL) {
        bson_destroy((*sample)->command);
        free(*sample);
        *sample = NULL;
    }
}

/* ---- what the planner says ---- */

static void add_name(char *out, size_t size, const char *name, const char *between)
{
    size_t len = strlen(out);
    snprintf(out + len, size - len, "%s%s", len > 0 ? between : "", name);
}

static void note_stage(const char *stage, struct mongo_plan *plan)
{
    plan->is_scan = plan->is_scan || strcmp(stage, "COLLSCAN") == 0;
    plan->is_sort = plan->is_sort || strcmp(stage, "SORT") == 0;
}

/* Every document below a winning plan, whatever the server's version nests it in: "stage" names
 * what is done, "indexName" with what; an aggregation's own $sort sorts what the plan gives. The
 * plans that lost, and the command that the server repeats, are left out. */
static void walk_plan(const bson_iter_t *at, struct mongo_plan *plan, int depth)
{
    bson_iter_t iter;
    if (depth > PLAN_DEPTH_MAX || !bson_iter_recurse(at, &iter)) {
        return;
    }
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        bool is_nested = BSON_ITER_HOLDS_DOCUMENT(&iter) || BSON_ITER_HOLDS_ARRAY(&iter);
        if (BSON_ITER_HOLDS_UTF8(&iter) && strcmp(key, "stage") == 0) {
            note_stage(bson_iter_utf8(&iter, NULL), plan);
        } else if (BSON_ITER_HOLDS_UTF8(&iter) && strcmp(key, "indexName") == 0) {
            add_name(plan->index, sizeof plan->index, bson_iter_utf8(&iter, NULL), ", ");
        } else if (strcmp(key, "$sort") == 0) {
            plan->is_sort = true;
        } else if (is_nested && strcmp(key, "rejectedPlans") != 0 && strcmp(key, "command") != 0 &&
                   strcmp(key, "parsedQuery") != 0 && strcmp(key, "filter") != 0 &&
                   strcmp(key, "slotBasedPlan") != 0) {
            walk_plan(&iter, plan, depth + 1);
        }
    }
}

static void read_plan(const bson_t *reply, struct mongo_plan *plan)
{
    static const char *const roots[] = {"queryPlanner", "stages", "shards"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(roots); i++) {
        bson_iter_t root;
        if (bson_iter_init_find(&root, reply, roots[i])) {
            walk_plan(&root, plan, 0);
        }
    }
}

/* ---- what the command asks for: equality, then sort, then range ---- */

struct wish {
    char name[64];
    int direction;
};
struct wishes {
    struct wish equal[FIELDS_MAX], sort[FIELDS_MAX], range[FIELDS_MAX];
    size_t equal_count, sort_count, range_count;
};

static void add_wish(struct wish *list, size_t *count, const char *name, int direction)
{
    if (*count < FIELDS_MAX) {
        snprintf(list[*count].name, sizeof list[*count].name, "%s", name);
        list[(*count)++].direction = direction;
    }
}

/* {$eq} and {$in} are points of an index, every other operator a range of it. */
static bool is_range(const bson_iter_t *value)
{
    bson_iter_t inside;
    if (BSON_ITER_HOLDS_REGEX(value)) {
        return true;
    }
    if (!BSON_ITER_HOLDS_DOCUMENT(value) || !bson_iter_recurse(value, &inside) ||
        !bson_iter_next(&inside)) {
        return false;
    }
    const char *key = bson_iter_key(&inside);
    return key[0] == '$' && strcmp(key, "$eq") != 0 && strcmp(key, "$in") != 0;
}

static void read_filter(const bson_iter_t *at, struct wishes *wishes, struct mongo_plan *plan,
                        int depth)
{
    bson_iter_t iter;
    if (depth > PLAN_DEPTH_MAX || !bson_iter_recurse(at, &iter)) {
        return;
    }
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        if (strcmp(key, "$and") == 0) {
            bson_iter_t part;
            for (bool more = bson_iter_recurse(&iter, &part); more && bson_iter_next(&part);) {
                read_filter(&part, wishes, plan, depth + 1);
            }
        } else if (strcmp(key, "$or") == 0) {
            plan->has_branches = true;
        } else if (key[0] == '$') { /* $where, $expr, $text ... */
            plan->is_computed = true;
        } else if (is_range(&iter)) {
            add_wish(wishes->range, &wishes->range_count, key, 1);
        } else {
            add_wish(wishes->equal, &wishes->equal_count, key, 1);
        }
        plan->is_empty = false;
        if (key[0] != '$') {
            add_name(plan->fields, sizeof plan->fields, key, ", ");
        }
    }
}

static void read_sort(const bson_iter_t *at, struct wishes *wishes)
{
    bson_iter_t iter;
    if (!bson_iter_recurse(at, &iter)) {
        return;
    }
    while (bson_iter_next(&iter)) {
        if (BSON_ITER_HOLDS_NUMBER(&iter)) {
            add_wish(wishes->sort, &wishes->sort_count, bson_iter_key(&iter),
                     bson_iter_as_int64(&iter) < 0 ? -1 : 1);
        }
    }
}

static bool is_known(const struct wish *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void write_index(const struct wishes *wishes, struct mongo_plan *plan)
{
    struct wish all[3 * FIELDS_MAX];
    size_t count = 0;
    const struct {
        const struct wish *list;
        size_t count;
    } parts[] = {{wishes->equal, wishes->equal_count},
                 {wishes->sort, wishes->sort_count},
                 {wishes->range, wishes->range_count}};
    for (size_t p = 0; p < BASE_ARRAY_LEN(parts); p++) {
        for (size_t i = 0; i < parts[p].count; i++) {
            if (!is_known(all, count, parts[p].list[i].name)) {
                all[count++] = parts[p].list[i];
            }
        }
    }
    if (count == 0 || plan->has_branches) {
        return;
    }
    char *out = plan->wanted;
    size_t size = sizeof plan->wanted - 1; /* the brace has its place in any case */
    for (size_t i = 0; i < count; i++) {
        char field[80];
        snprintf(field, sizeof field, "%s%s: %d", i == 0 ? "{" : "", all[i].name, all[i].direction);
        add_name(out, size, field, ", ");
    }
    size_t len = strlen(out);
    snprintf(out + len, sizeof plan->wanted - len, "}");
}

/* The first $match and $sort of a pipeline are what an index can serve. */
static void read_pipeline(const bson_iter_t *at, struct wishes *wishes, struct mongo_plan *plan)
{
    bson_iter_t stages, stage;
    if (!bson_iter_recurse(at, &stages)) {
        return;
    }
    while (bson_iter_next(&stages) && bson_iter_recurse(&stages, &stage) &&
           bson_iter_next(&stage)) {
        const char *key = bson_iter_key(&stage);
        if (strcmp(key, "$match") == 0) {
            read_filter(&stage, wishes, plan, 0);
        } else if (strcmp(key, "$sort") == 0) {
            read_sort(&stage, wishes);
        } else if (strcmp(key, "$skip") == 0) {
            plan->skip = bson_iter_as_int64(&stage);
        } else {
            return;
        }
    }
}

static void read_part(const bson_iter_t *at, struct wishes *wishes, struct mongo_plan *plan)
{
    const char *key = bson_iter_key(at);
    if (strcmp(key, "filter") == 0 || strcmp(key, "query") == 0 || strcmp(key, "q") == 0) {
        read_filter(at, wishes, plan, 0);
    } else if (strcmp(key, "sort") == 0) {
        read_sort(at, wishes);
    } else if (strcmp(key, "skip") == 0 && BSON_ITER_HOLDS_NUMBER(at)) {
        plan->skip = bson_iter_as_int64(at);
    } else if (strcmp(key, "pipeline") == 0) {
        read_pipeline(at, wishes, plan);
    } else if (BSON_ITER_HOLDS_ARRAY(at) &&
               (strcmp(key, "updates") == 0 || strcmp(key, "deletes") == 0)) {
        bson_iter_t list, part;
        if (bson_iter_recurse(at, &list) && bson_iter_next(&list) &&
            bson_iter_recurse(&list, &part)) {
            while (bson_iter_next(&part)) {
                read_part(&part, wishes, plan);
            }
        }
    }
}

static void read_command(const bson_t *command, struct mongo_plan *plan)
{
    struct wishes wishes = {0};
    bson_iter_t iter;
    plan->is_empty = true;
    if (bson_iter_init(&iter, command)) {
        while (bson_iter_next(&iter)) {
            read_part(&iter, &wishes, plan);
        }
    }
    write_index(&wishes, plan);
}

enum gleaner_status mongo_explain(mongo_client *client, const struct mongo_sample *sample,
                                  struct mongo_plan *out, struct mongo_error *error)
{
    bson_t command = BSON_INITIALIZER;
    bson_t reply;
    *out = (struct mongo_plan){0};
    BSON_APPEND_DOCUMENT(&command, "explain", sample->command);
    BSON_APPEND_UTF8(&command, "verbosity", "queryPlanner");
    BSON_APPEND_INT32(&command, "maxTimeMS", EXPLAIN_MAX_MS);
    enum gleaner_status status =
        mongo_command(client, sample->database, MONGO_READ, &command, &reply, error);
    if (status == GLEANER_OK) {
        read_command(sample->command, out);
        read_plan(&reply, out);
    }
    bson_destroy(&reply);
    bson_destroy(&command);
    return status;
}
