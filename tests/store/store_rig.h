/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_rig.h
 * One behaviour suite for every body: BEHAVIOUR(name) makes a parameterised test that gets an open
 * store and queue of each body that is built. A body that cannot run here (no mongod) says so.
 */
#ifndef STORE_RIG_H
#define STORE_RIG_H

#include "store.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

enum rig_body { RIG_EMBEDDED, RIG_TIERED, RIG_MONGO };

struct rig {
    enum rig_body body;
    struct store *store;
    struct store_queue *queue;
    struct base_error error;
    /* inside */
    char directory[64];
    struct store *local, *remote, *failing;
    void *mongo;
};

/** False = this body cannot run here; the reason was printed. */
bool rig_open(struct rig *rig, enum rig_body body);
void rig_close(struct rig *rig);
struct criterion_test_params rig_bodies(void);

#ifdef STORE_RIG_MONGO
bool rig_mongo_open(struct rig *rig);
void rig_mongo_close(struct rig *rig);
#endif

#define BEHAVIOUR(suite, name)                                                                     \
    static void name(struct rig *rig);                                                             \
    ParameterizedTestParameters(suite, name)                                                       \
    {                                                                                              \
        return rig_bodies();                                                                       \
    }                                                                                              \
    ParameterizedTest(enum rig_body *body, suite, name, .timeout = 60)                             \
    {                                                                                              \
        struct rig rig = {0};                                                                      \
        if (!rig_open(&rig, *body)) {                                                              \
            cr_skip_test("this body cannot run here");                                             \
        }                                                                                          \
        name(&rig);                                                                                \
        rig_close(&rig);                                                                           \
    }                                                                                              \
    static void name(struct rig *rig)

/** Fail the test with the store's own words. */
#define RIG_OK(rig, call)                                                                          \
    do {                                                                                           \
        enum gleaner_status rig_status = (call);                                                   \
        cr_assert_eq(rig_status, GLEANER_OK, "%s: %s: %s", #call, gleaner_status_name(rig_status), \
                     (rig)->error.message);                                                        \
    } while (0)

/** A temporary directory, removed by rig_remove_directory(). */
void rig_make_directory(char out[64]);
void rig_remove_directory(const char *directory);
struct store *rig_open_sqlite(const char *directory, struct base_error *error);

/** A crawl job for `url`, which must outlive it. Host is everything before the path. */
struct store_job rig_job(const char *url);
/** Enqueue it; how many were new. */
uint64_t rig_put(struct rig *rig, const struct store_job *jobs, size_t count);
uint64_t rig_put_urls(struct rig *rig, size_t count, const char *const *urls);
/** Claim once. */
size_t rig_claim(struct rig *rig, uint32_t max, uint32_t lease_ms, struct store_jobs *out);
/** Claim until something is due: leases end by the store's own clock. */
void rig_claim_when_due(struct rig *rig, uint32_t lease_ms, struct store_jobs *out);
struct store_outcome rig_outcome(const struct store_job *job, enum store_outcome_kind kind);
struct store_settled rig_settle(struct rig *rig, const struct store_outcome *outcome);
struct store_counts rig_counts(struct rig *rig);

/** A document {"n": n} of `collection` with id by key. */
struct rig_document {
    struct store_document document;
    uint8_t bson[16];
};
void rig_document(struct rig_document *out, const char *collection, const char *key, int32_t n);
/** Value of `n` in the stored document with that key; -1 when it is not there. Waits for nothing.
 */
int32_t rig_stored(struct rig *rig, const char *collection, const char *key);

/* ---- failing_store.c: a remote that fails on command ---- */

enum failing_mode {
    FAILING_NOT,
    FAILING_BEFORE,
    FAILING_AFTER /* written, but not acknowledged */
};
/** Wraps `inner` (borrowed). */
struct store *failing_store_create(struct store *inner);
void failing_store_set(struct store *store, enum failing_mode mode, enum gleaner_status status);
/** remote_is_up callback; ctx is the failing store. True unless told otherwise. */
bool failing_store_is_up(void *ctx);
void failing_store_set_up(struct store *store, bool is_up);
uint64_t failing_store_writes(struct store *store);   /* documents */
uint64_t failing_store_attempts(struct store *store); /* calls, failed ones included */

#endif
