/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as sentences that say what to do. Names of fields are shown, values never. */
#include "monitor_internal.h"
#include <stdio.h>
#include <string.h>

#define SKIP_LARGE 1000

static void say_scan(const struct mongo_plan *plan, const char *where, char *out, size_t size)
{
    const char *also = plan->is_sort ? " and sorted in memory" : "";
    if (plan->has_branches) {
        snprintf(out, size,
                 "collection %s is scanned%s: for $or create an index for each of its branches",
                 where, also);
    } else if (plan->wanted[0] != '\0' && !plan->is_empty) {
        snprintf(out, size, "collection %s is scanned for {%s}%s: create an index %s", where,
                 plan->fields, also, plan->wanted);
    } else if (plan->wanted[0] != '\0') { /* a sort alone */
        snprintf(out, size, "collection %s is read whole%s: create an index %s", where, also,
                 plan->wanted);
    } else if (plan->is_computed) {
        snprintf(out, size,
                 "collection %s is scanned: $where, $expr and the like use no index; say it with "
                 "fields and operators",
                 where);
    } else {
        snprintf(out, size, "collection %s is read whole: add a filter or a limit", where);
    }
}

void advice_of_plan(const struct mongo_plan *plan, const char *where, char *out, size_t out_size)
{
    if (plan->is_scan) {
        say_scan(plan, where, out, out_size);
    } else if (plan->is_sort && plan->wanted[0] != '\0') {
        snprintf(
            out, out_size,
            "index %s of %s does not give the order, so it sorts in memory: create an index %s",
            plan->index, where, plan->wanted);
    } else if (plan->is_sort) {
        snprintf(out, out_size,
                 "%s: it sorts in memory what the index %s gives: sort less, or by "
                 "fields of an index",
                 where, plan->index);
    } else if (plan->skip < SKIP_LARGE) {
        snprintf(out, out_size,
                 "it uses the index %s: the time goes into many or large documents, or the server "
                 "is busy",
                 plan->index[0] != '\0' ? plan->index : "_id_");
    } else {
        out[0] = '\0';
    }
    size_t len = strlen(out);
    if (plan->skip >= SKIP_LARGE) {
        snprintf(out + len, out_size - len,
                 "%sit skips thousands of documents, which are read and thrown away: go on from "
                 "the last key seen instead",
                 len > 0 ? "; " : "");
    }
}

const char *advice_of_command(const char *command)
{
    static const struct {
        const char *command, *advice;
    } table[] = {
        {"getMore", "the next batch takes long: the plan is that of the find or aggregate which "
                    "began it; read fewer fields or smaller batches"},
        {"insert", "an insert waits for the journal and, in a replica set, for the majority: look "
                   "at the server's disk and the secondaries, and at the number of indexes"},
        {"createIndexes", "building an index reads the whole collection: expected once"},
        {"commitTransaction", "a commit waits for the majority: look at the secondaries"},
    };
    for (size_t i = 0; i < BASE_ARRAY_LEN(table); i++) {
        if (strcmp(table[i].command, command) == 0) {
            return table[i].advice;
        }
    }
    return "";
}
