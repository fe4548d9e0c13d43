/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <bson/bson.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 60, LOG_MAX = 4096 };

static const char *setting(void *ctx, const char *module, const char *name)
{
    struct rig *rig = ctx;
    (void)module;
    if (strcmp(name, "tree") == 0) {
        return rig->tree;
    }
    if (strcmp(name, "gate") != 0) {
        return NULL;
    }
    sync_mutex_lock(rig->lock);
    rig->at_gate++;
    sync_cond_broadcast(rig->changed);
    while (!rig->gate_is_open) {
        sync_cond_wait(rig->changed, rig->lock, BASE_NO_DEADLINE);
    }
    sync_mutex_unlock(rig->lock);
    return NULL;
}

void rig_start(struct rig *rig)
{
    static const char *const loopback[] = {"127.0.0.0/8"};
    memset(rig, 0, sizeof(*rig));
    sync_init();
    base_log_set_level(BASE_LOG_ERROR);
    cr_assert(http_fixture_start(&rig->http, 2, HTTP_FIXTURE_PLAIN));
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/gleaner-worker-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->directory));
    cr_assert_eq(sync_mutex_create(&rig->lock), GLEANER_OK);
    cr_assert_eq(sync_cond_create(&rig->changed), GLEANER_OK);
    fetch_options_init(&rig->fetch);
    rig->fetch.allow_net = loopback;
    rig->fetch.allow_net_count = 1;
    rig->fetch.use_robots = false;
    rig->queueing = (struct queue_options){.owner = "rig",
                                           .lease_ms = 60000,
                                           .max_attempts = 3,
                                           .retry_base_ms = 1,
                                           .retry_cap_ms = 2};
    rig->working = (struct worker_options){.threads = 2, .is_crawl = true};
    rig->gate_is_open = true;
}

void rig_open(struct rig *rig)
{
    struct base_error error = {0};
    const struct store_sqlite_options store = {.directory = rig->directory, .durable = false};
    const struct queue_scope_options scope = {.max_depth = 1000, .max_url_bytes = 8192};
    cr_assert_eq(store_sqlite_open(&store, &rig->store, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(store_queue_open(rig->store, "crawl/test", &rig->jobs, &error), GLEANER_OK);
    cr_assert_eq(store_release_owner(rig->jobs, NULL, NULL, &error), GLEANER_OK);
    cr_assert_eq(queue_scope_create(&scope, &rig->scope, &error), GLEANER_OK);
    rig->queueing.store = rig->jobs;
    rig->queueing.scope = rig->scope;
    cr_assert_eq(queue_create(&rig->queueing, &rig->queue), GLEANER_OK);
    cr_assert_eq(module_registry_create(worker_host(), &rig->modules), GLEANER_OK);
    cr_assert_eq(module_load(rig->modules, TINY_MODULE, &error), GLEANER_OK, "%s", error.message);
    cr_assert_eq(fetch_engine_start(&rig->fetch, &rig->engine, &error), GLEANER_OK);
}

void rig_close(struct rig *rig)
{
    fetch_engine_stop(&rig->engine);
    module_registry_destroy(&rig->modules);
    queue_destroy(&rig->queue);
    queue_scope_destroy(&rig->scope);
    store_queue_close(&rig->jobs);
    store_close(&rig->store);
}

void rig_end(struct rig *rig)
{
    char command[128];
    if (rig->store != NULL) {
        rig_close(rig);
    }
    base_arena_fini(&rig->texts);
    http_fixture_end(&rig->http);
    sync_mutex_destroy(&rig->lock);
    sync_cond_destroy(&rig->changed);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig->directory);
    cr_assert_eq(system(command), 0);
}

const char *rig_url(struct rig *rig, const char *path)
{
    return http_fixture_url(&rig->http, 0, path);
}

const char *rig_script(struct rig *rig, const char *words)
{
    struct base_buffer path = {0};
    base_buffer_append_str(&path, "/raw?type=text/plain&hex=");
    base_buffer_printf(&path, "736372697074%02x", ' ');
    for (const char *at = words; *at != '\0'; at++) {
        base_buffer_printf(&path, "%02x", (unsigned char)*at);
    }
    struct base_buffer url = {0};
    base_buffer_printf(&url, "http://127.0.0.1:%u%s", rig->http.ports[0], path.data);
    const char *text = base_arena_strndup(&rig->texts, url.data, url.len);
    base_buffer_fini(&path);
    base_buffer_fini(&url);
    return text;
}

void rig_seed(struct rig *rig, const char *url)
{
    struct base_error error = {0};
    cr_assert_eq(queue_seed(rig->queue, &url, 1, "page", NULL, &error), GLEANER_OK, "%s",
                 error.message);
}

void rig_run(struct rig *rig)
{
    struct base_error error = {0};
    rig->working.fetch = rig->engine;
    rig->working.queue = rig->queue;
    rig->working.modules = rig->modules;
    rig->working.setting = setting;
    rig->working.setting_ctx = rig;
    cr_assert_eq(worker_group_start(&rig->working, &rig->group, &error), GLEANER_OK, "%s",
                 error.message);
}

void rig_finish(struct rig *rig)
{
    cr_assert(worker_group_wait(rig->group, base_mono_ns() + PATIENCE_S * BASE_NS_PER_S));
    cr_assert(worker_group_is_done(rig->group));
    worker_group_join(&rig->group);
}

void rig_stop(struct rig *rig, uint64_t deadline_ms)
{
    worker_group_request_stop(rig->group, base_mono_ns() + deadline_ms * BASE_NS_PER_MS);
    worker_group_join(&rig->group);
}

void rig_crawl(struct rig *rig, const char *url, struct worker_stats *stats)
{
    rig_seed(rig, url);
    rig_run(rig);
    cr_assert(worker_group_wait(rig->group, base_mono_ns() + PATIENCE_S * BASE_NS_PER_S));
    if (stats != NULL) {
        worker_group_read_stats(rig->group, stats);
    }
    rig_finish(rig);
}

void rig_wait_at_gate(struct rig *rig)
{
    sync_mutex_lock(rig->lock);
    while (rig->at_gate == 0) {
        cr_assert(
            sync_cond_wait(rig->changed, rig->lock, base_mono_ns() + PATIENCE_S * BASE_NS_PER_S));
    }
    sync_mutex_unlock(rig->lock);
}

void rig_open_gate(struct rig *rig)
{
    sync_mutex_lock(rig->lock);
    rig->gate_is_open = true;
    sync_cond_broadcast(rig->changed);
    sync_mutex_unlock(rig->lock);
}

/* ---- what is stored ---- */

uint64_t rig_document_count(struct rig *rig)
{
    uint64_t count = 0;
    cr_assert_eq(store_document_count(rig->store, "pages", &count, NULL), GLEANER_OK);
    return count;
}

struct wanted {
    const char *url_end;
    char *json;
};

static bool match_document(void *ctx, const char *collection, const uint8_t *data, uint32_t len)
{
    struct wanted *wanted = ctx;
    bson_t document;
    bson_iter_t iter;
    (void)collection;
    cr_assert(bson_init_static(&document, data, len));
    cr_assert(bson_validate(&document, BSON_VALIDATE_UTF8, NULL));
    if (bson_iter_init_find(&iter, &document, "url")) {
        const char *url = bson_iter_utf8(&iter, NULL);
        size_t url_len = strlen(url), end_len = strlen(wanted->url_end);
        if (url_len >= end_len && strcmp(url + url_len - end_len, wanted->url_end) == 0) {
            cr_assert_null(wanted->json, "two documents of %s", wanted->url_end);
            wanted->json = bson_as_relaxed_extended_json(&document, NULL);
        }
    }
    return true;
}

const char *rig_document(struct rig *rig, const char *url_end)
{
    struct wanted wanted = {.url_end = url_end};
    cr_assert_eq(store_documents(rig->store, "pages", match_document, &wanted, NULL), GLEANER_OK);
    const char *text =
        wanted.json ? base_arena_strndup(&rig->texts, wanted.json, strlen(wanted.json)) : NULL;
    bson_free(wanted.json);
    return text;
}

struct store_counts rig_counts(struct rig *rig)
{
    struct store_counts counts;
    cr_assert_eq(store_count(rig->jobs, &counts, NULL), GLEANER_OK);
    return counts;
}

static bool note_dead(void *ctx, const struct store_job_view *view)
{
    char *text = ctx;
    cr_assert_str_empty(text, "more than one dead job");
    snprintf(text, 300, "%s: %s", view->error_class, view->reason);
    return true;
}

const char *rig_dead(struct rig *rig)
{
    static char text[300];
    text[0] = '\0';
    cr_assert_eq(store_list_jobs(rig->jobs, "dead", 0, note_dead, text, NULL), GLEANER_OK);
    return text;
}

size_t rig_requests(struct rig *rig, const char *target, size_t *most)
{
    static struct http_fixture_entry log[LOG_MAX];
    size_t count = http_fixture_log(&rig->http, 0, log, LOG_MAX), found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        found += strncmp(log[i].target, target, strlen(target)) == 0;
        for (size_t j = 0; most != NULL && j < count; j++) {
            same += strcmp(log[i].target, log[j].target) == 0;
        }
        if (most != NULL && same > *most) {
            *most = same;
        }
    }
    return found;
}
