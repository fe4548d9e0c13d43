/* SPDX-License-Identifier: Apache-2.0 */
/* One test from its document to its verdict. */
#include "cmap_runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pool_config config_of(const bson_t *test, int64_t *background_interval_ms)
{
    bson_t none = BSON_INITIALIZER, options = BSON_INITIALIZER;
    bson_iter_t iter;
    const bson_t *from = &none;
    if (bson_iter_init_find(&iter, test, "poolOptions")) {
        const uint8_t *data;
        uint32_t length;
        bson_iter_document(&iter, &length, &data);
        bson_init_static(&options, data, length);
        from = &options;
    }
    struct pool_config config = {.max_size = (uint32_t)cmap_int(from, "maxPoolSize", 100),
                                 .min_size = (uint32_t)cmap_int(from, "minPoolSize", 0),
                                 .max_connecting = (uint32_t)cmap_int(from, "maxConnecting", 2),
                                 .wait_queue_timeout_ms =
                                     (uint32_t)cmap_int(from, "waitQueueTimeoutMS", 0),
                                 .max_idle_ms = (uint32_t)cmap_int(from, "maxIdleTimeMS", 0),
                                 .random_seed = 1,
                                 .address = "cmap.test:27017"};
    config.slot_capacity = config.max_size;
    *background_interval_ms = cmap_int(from, "backgroundThreadIntervalMS", 50);
    bson_destroy(&none);
    return config;
}

static bool open_run(struct cmap_run *run)
{
    struct base_error error;
    struct pool_hooks hooks = {.on_event = cmap_record,
                               .event_ctx = run,
                               .on_connect_wanted = cmap_wake_connectors,
                               .connect_ctx = run,
                               .on_reap_wanted = cmap_wake_reaper,
                               .reap_ctx = run};
    run->config = config_of(run->test, &run->background_interval_ms);
    for (int i = 0; i < CMAP_CONNECTORS; i++) {
        sync_park_init(&run->connector_parkers[i]);
    }
    sync_park_init(&run->reaper_parker);
    sync_park_init(&run->background_parker);
    if (sync_mutex_create(&run->mutex) != GLEANER_OK ||
        sync_cond_create(&run->changed) != GLEANER_OK ||
        pool_create(&run->config, &hooks, base_clock_real(), &run->pool, &error) != GLEANER_OK ||
        !cmap_start_helpers(run)) {
        snprintf(run->failure, sizeof(run->failure), "the pool could not be made");
        return false;
    }
    return true;
}

/* The main thread's part: it stops at its first error. */
static void operate_all(struct cmap_run *run)
{
    bson_iter_t list, item;
    bool has_any =
        bson_iter_init_find(&list, run->test, "operations") && bson_iter_recurse(&list, &item);
    while (has_any && bson_iter_next(&item) && run->error == GLEANER_OK) {
        const uint8_t *data;
        uint32_t length;
        bson_t operation;
        bson_iter_document(&item, &length, &data);
        bson_init_static(&operation, data, length);
        run->error = cmap_operate(run, &operation);
    }
}

/* Everything comes back, everybody ends; nothing of this is recorded. */
static void close_run(struct cmap_run *run)
{
    sync_mutex_lock(run->mutex);
    run->is_ending = true;
    sync_mutex_unlock(run->mutex);
    pool_close(run->pool);
    cmap_stop_threads(run);
    for (uint32_t i = 0; i < run->loan_count; i++) {
        if (run->loans[i].is_out) {
            (void)pool_check_in(run->pool, &run->loans[i].handle, POOL_CLIENT_GOOD);
        }
    }
    cmap_stop_helpers(run);
    pool_destroy(&run->pool); /* asserts that every connection was closed */
    for (uint32_t i = 0; i < run->event_count; i++) {
        bson_destroy(run->events[i]);
    }
    sync_cond_destroy(&run->changed);
    sync_mutex_destroy(&run->mutex);
}

bool cmap_run_case(const bson_t *test, const struct cmap_connector *connector, char *why,
                   size_t why_size)
{
    struct cmap_run *run = calloc(1, sizeof(*run));
    BASE_ASSERT(run != NULL);
    run->test = test;
    run->connector = connector;
    bool is_open = connector->open(connector->ctx, test) && open_run(run);
    BASE_ASSERT(is_open);
    operate_all(run);
    cmap_judge(run);
    close_run(run);
    connector->finish(connector->ctx);
    snprintf(why, why_size, "%s", run->failure);
    free(run);
    return why[0] == '\0';
}
