/* SPDX-License-Identifier: Apache-2.0 */
/* libgleaner: an operation with its client, repeated where that is safe, within a deadline. */
#include "db_internal.h"
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 10000
#define MAX_TRIES 5
#define PAUSE_MS 20 /* doubles, full jitter; a server that is away is waited for in check out */
#define PAUSE_CAP_MS 320

void gleaner_run_options_init(struct gleaner_run_options *options)
{
    *options = (struct gleaner_run_options){.size = sizeof(*options)};
}

struct run {
    struct gleaner_db *db;
    struct gleaner_run_options options; /* defaults filled in */
    uint64_t deadline_ns;
    uint32_t tries; /* calls; not counted while the driver knows no server: that takes no time */
    struct mongo_error failure; /* of the last try */
    bool no_writes;             /* its reply has the label NoWritesPerformed */
};

static uint32_t left_ms(const struct run *run)
{
    uint64_t now_ns = base_mono_ns();
    uint64_t left = run->deadline_ns > now_ns ? (run->deadline_ns - now_ns) / BASE_NS_PER_MS : 0;
    return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

static void fill_options(struct gleaner_run_options *out, const struct gleaner_run_options *given)
{
    gleaner_run_options_init(out);
    if (given != NULL) {
        memcpy(out, given, given->size < sizeof(*out) ? given->size : sizeof(*out));
    }
    out->deadline_ms = out->deadline_ms > 0 ? out->deadline_ms : DEADLINE_MS;
    out->max_tries = out->max_tries > 0 ? out->max_tries : MAX_TRIES;
    out->what = out->what != NULL ? out->what : "operation";
}

/* ---- what a failure says
 * ---------------------------------------------------------------------------- */

static bool says_no_writes(const bson_t *reply)
{
    bson_iter_t labels, label;
    if (!bson_iter_init_find(&labels, reply, "errorLabels") || !BSON_ITER_HOLDS_ARRAY(&labels) ||
        !bson_iter_recurse(&labels, &label)) {
        return false;
    }
    while (bson_iter_next(&label)) {
        if (BSON_ITER_HOLDS_UTF8(&label) &&
            strcmp(bson_iter_utf8(&label, NULL), "NoWritesPerformed") == 0) {
            return true;
        }
    }
    return false;
}

/* The server looks at its role before it does anything. */
static bool is_refused_by_role(const struct mongo_error *failure)
{
    static const uint32_t codes[] = {10107, 13435, 13436, 10058};
    if (failure->domain == MONGOC_ERROR_WRITE_CONCERN) {
        return false; /* done, and then not confirmed */
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(codes); i++) {
        if (failure->code == codes[i]) {
            return true;
        }
    }
    return false;
}

static bool was_not_done(const struct run *run)
{
    const struct mongo_error *failure = &run->failure;
    bool was_not_sent =
        failure->domain == MONGOC_ERROR_SERVER_SELECTION ||
        (failure->domain == MONGOC_ERROR_COMMAND &&
         failure->code == MONGOC_ERROR_COMMAND_INVALID_ARG); /* mongo_error.c: not assembled */
    return was_not_sent || failure->overloaded || run->no_writes || is_refused_by_role(failure);
}

/* NULL: again. */
static const char *why_not_again(const struct run *run)
{
    const struct mongo_error *failure = &run->failure;
    bool is_own_limit = failure->error_class == MONGO_TIMEOUT &&
                        failure->domain != MONGOC_ERROR_STREAM &&
                        failure->domain != MONGOC_ERROR_SERVER_SELECTION;
    if (failure->error_class == MONGO_AUTH) {
        return "not repeated: the rights will be the same";
    }
    if (failure->error_class != MONGO_RETRY && failure->error_class != MONGO_RECONNECT &&
        failure->error_class != MONGO_TIMEOUT) {
        return "not repeated: it is the answer to this very operation";
    }
    if (is_own_limit) {
        return "not repeated: it met its own time limit";
    }
    if (!run->options.is_idempotent && !was_not_done(run)) {
        return "not repeated: it may have been done already, and is not idempotent";
    }
    if (run->tries >= run->options.max_tries) {
        return "all tries are used";
    }
    return left_ms(run) == 0 ? "the deadline has passed" : NULL;
}

/* ---- trying
 * ----------------------------------------------------------------------------------------- */

static void note_failure(struct run *run, const bson_error_t *error, const bson_t *reply)
{
    mongo_classify(error, reply, &run->failure);
    if (run->failure.error_class == MONGO_OK) { /* false, and no reason: ours to survive */
        run->failure.error_class = MONGO_BUG;
        snprintf(run->failure.message, sizeof(run->failure.message), "it gave no reason");
    }
    run->no_writes = says_no_writes(reply);
}

/* The callback, if it can end by the deadline. */
static bool call(struct run *run, gleaner_operation operation, void *ctx,
                 struct gleaner_try *attempt)
{
    if (!mongo_may_begin(attempt->client->client, &run->failure)) {
        bson_set_error(&attempt->error, run->failure.domain, run->failure.code, "%s",
                       run->failure.message);
        return false;
    }
    attempt->number = ++run->tries;
    return operation(ctx, attempt);
}

/* One client, one call. */
static bool try_once(struct run *run, const struct gleaner_client *client,
                     gleaner_operation operation, void *ctx)
{
    struct gleaner_client loan = *client;
    struct gleaner_try attempt = {
        .size = sizeof(attempt),
        .client = &loan,
        .left_ms = left_ms(run),
    };
    bson_init(&attempt.reply);
    uint64_t outer_ns = mongo_narrow_deadline(run->deadline_ns);
    bool ok = call(run, operation, ctx, &attempt);
    mongo_set_deadline(outer_ns);
    if (!ok) {
        note_failure(run, &attempt.error, &attempt.reply);
    }
    /* not begun: nothing is wrong with this client; the heartbeats have told the supervisor */
    bool is_sound = ok || attempt.number == 0;
    (void)gleaner_db_check_in(run->db, &loan, is_sound ? NULL : &attempt.error);
    bson_destroy(&attempt.reply);
    return ok;
}

/* A state that is published meanwhile ends it: closing is one. */
static void pause_before_next(const struct run *run)
{
    struct connection_snapshot now;
    struct base_random random;
    uint64_t bound_ms = PAUSE_MS;
    for (uint32_t i = 1; i < run->tries && bound_ms < PAUSE_CAP_MS; i++) {
        bound_ms *= 2;
    }
    base_random_init(&random, 0);
    uint64_t until_ns = base_mono_ns() + base_random_below(&random, bound_ms * BASE_NS_PER_MS);
    connection_copy(run->db->connection, &now);
    (void)connection_wait_newer(run->db->connection, now.version,
                                until_ns < run->deadline_ns ? until_ns : run->deadline_ns);
}

static enum gleaner_status tell_failure(const struct run *run, const char *why,
                                        struct base_error *error)
{
    return base_error_set(error, mongo_error_status(run->failure.error_class),
                          "%s failed: %.280s (code %u; tries: %u); %s", run->options.what,
                          run->failure.message, run->failure.code, run->tries, why);
}

static enum gleaner_status tell_no_client(const struct run *run, enum gleaner_status status,
                                          struct base_error *error)
{
    if (run->tries == 0) {
        return base_error_set(error, status, "%s: no client within %u ms (%s); it was not begun",
                              run->options.what, run->options.deadline_ms,
                              gleaner_status_name(status));
    }
    return base_error_set(error, status, "%s failed: %.280s (tries: %u); then no client (%s)",
                          run->options.what, run->failure.message, run->tries,
                          gleaner_status_name(status));
}

static enum gleaner_status run_all(struct run *run, gleaner_operation operation, void *ctx,
                                   struct base_error *error)
{
    for (;;) { /* at most max_tries calls, within the deadline */
        struct gleaner_client client;
        enum gleaner_status status = gleaner_db_check_out(run->db, left_ms(run), &client);
        if (status != GLEANER_OK) {
            return tell_no_client(run, status, error);
        }
        if (try_once(run, &client, operation, ctx)) {
            return GLEANER_OK;
        }
        const char *why = why_not_again(run);
        if (why != NULL) {
            return tell_failure(run, why, error);
        }
        pause_before_next(run);
    }
}

enum gleaner_status gleaner_db_run(struct gleaner_db *db, const struct gleaner_run_options *options,
                                   gleaner_operation operation, void *ctx,
                                   struct gleaner_error *error)
{
    struct base_error detail = {0};
    struct run run = {.db = db};
    BASE_CHECK_MAGIC(db, DB_MAGIC);
    fill_options(&run.options, options);
    run.deadline_ns = base_mono_ns() + run.options.deadline_ms * BASE_NS_PER_MS;
    /* counted: close waits while this may still come back for another client */
    atomic_fetch_add_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    enum gleaner_status status = run_all(&run, operation, ctx, &detail);
    atomic_fetch_sub_explicit(&db->slow_callers, 1, memory_order_acq_rel);
    return db_tell(error, status, &detail);
}
