/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several workers on a site of tiny pages whose module fails at random, over a store that fails at
 * random, stopped at random moments and started again. Oracle: in the end every page is stored once
 * or is a dead letter, nothing is left on lease, and a clean stop does nothing twice.
 */
#include "worker.h"
#include "../stress.h"
#include "http_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGES = 400, WORKERS = 4 };

struct run {
    struct http_fixture http;
    char directory[64];
    struct base_random random;
    uint64_t rounds, crawls, stops, settle_errors, retries;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        printf("FAILED: %s\n", what);
        exit(1);
    }
}

/* The module asks with its page's URL in mind; only `tree` and `random` have an answer. */
static const char *setting(void *ctx, const char *module, const char *name)
{
    static _Atomic uint32_t calls;
    (void)ctx;
    (void)module;
    if (strcmp(name, "tree") == 0) {
        return "400";
    }
    bool fails = strcmp(name, "random") == 0 &&
                 atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % 16 == 7;
    return fails ? "fail" : NULL;
}

static void set_writing(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* One start of the process's rooms; true when the crawl came to its end. */
static bool go(struct run *run, struct store_queue *jobs, struct queue *queue,
               struct module_registry *modules)
{
    static const char *const loopback[] = {"127.0.0.0/8"};
    struct fetch_options fetch;
    struct fetch_engine *engine;
    struct worker_group *group;
    struct worker_stats stats;
    fetch_options_init(&fetch);
    fetch.allow_net = loopback;
    fetch.allow_net_count = 1;
    fetch.use_robots = false;
    must(fetch_engine_start(&fetch, &engine, NULL) == GLEANER_OK, "engine");
    const struct worker_options options = {.threads = WORKERS,
                                           .fetch = engine,
                                           .queue = queue,
                                           .modules = modules,
                                           .is_crawl = true,
                                           .batch_pages = 8,
                                           .prefetch = 32,
                                           .setting = setting};
    must(worker_group_start(&options, &group, NULL) == GLEANER_OK, "workers");
    bool is_done = false;
    while (!is_done && base_random_below(&run->random, 12) != 0) {
        if (base_random_below(&run->random, 3) == 0) {
            set_writing(1);
        }
        is_done = worker_group_wait(group, base_mono_ns() + base_random_below(&run->random, 60) *
                                                                BASE_NS_PER_MS);
        set_writing(0);
        worker_group_read_stats(group, &stats);
    }
    run->stops += !is_done;
    worker_group_request_stop(group, base_mono_ns() + 60 * BASE_NS_PER_S);
    is_done = is_done || worker_group_is_done(group);
    worker_group_join(&group);
    fetch_engine_stop(&engine);
    struct store_counts counts;
    must(store_count(jobs, &counts, NULL) == GLEANER_OK, "count");
    must(counts.leased == 0, "a stop left leases behind");
    return is_done;
}

static void crawl(struct run *run)
{
    char url[100], name[40];
    const char *seed = url;
    struct store *store;
    struct store_queue *jobs;
    struct queue *queue;
    struct queue_scope *scope;
    struct module_registry *modules;
    uint64_t before = 0, after = 0;
    struct base_error error = {0};
    const struct store_sqlite_options where = {.directory = run->directory};
    const struct queue_scope_options within = {.max_depth = 1000};
    snprintf(name, sizeof(name), "crawl/%llu", (unsigned long long)run->crawls);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/ok?n=1", run->http.ports[0]);
    must(store_sqlite_open(&where, &store, &error) == GLEANER_OK, error.message);
    must(store_queue_open(store, name, &jobs, &error) == GLEANER_OK, error.message);
    must(queue_scope_create(&within, &scope, &error) == GLEANER_OK, error.message);
    const struct queue_options options = {.store = jobs,
                                          .scope = scope,
                                          .owner = "stress",
                                          .max_attempts = 3,
                                          .retry_base_ms = 1,
                                          .retry_cap_ms = 2,
                                          .lease_ms = 60000};
    must(queue_create(&options, &queue) == GLEANER_OK, "queue");
    must(module_registry_create(worker_host(), &modules) == GLEANER_OK, "registry");
    must(module_load(modules, TINY_MODULE, &error) == GLEANER_OK, error.message);
    must(queue_seed(queue, &seed, 1, "page", NULL, &error) == GLEANER_OK, error.message);
    while (!go(run, jobs, queue, modules)) {
        run->rounds++;
    }
    struct store_counts counts;
    must(store_count(jobs, &counts, &error) == GLEANER_OK, error.message);
    must(store_document_count(store, "pages", &after, &error) == GLEANER_OK, error.message);
    must(counts.ready + counts.waiting + counts.leased == 0, "the end came too early");
    must(counts.dead > 0 || counts.done == PAGES, "a page was lost");
    must(after >= before && after <= PAGES, "a page was stored twice");
    must(after >= counts.done, "a page is done and not stored");
    module_registry_destroy(&modules);
    queue_destroy(&queue);
    queue_scope_destroy(&scope);
    store_queue_close(&jobs);
    store_close(&store);
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("worker", argc, argv);
    struct run run = {.directory = "/tmp/gleaner-stress-XXXXXX"};
    char command[100];
    sync_init();
    base_log_set_level(BASE_LOG_ERROR);
    signal(SIGXFSZ, SIG_IGN);
    base_random_init(&run.random, options.seed);
    must(http_fixture_start(&run.http, 1, HTTP_FIXTURE_PLAIN), "http fixture");
    must(mkdtemp(run.directory) != NULL, "directory");
    do {
        crawl(&run);
        run.crawls++;
    } while (base_mono_ns() < options.end_ns);
    http_fixture_end(&run.http);
    snprintf(command, sizeof(command), "rm -rf '%s'", run.directory);
    must(system(command) == 0, "clean up");
    printf("worker: crawls=%" PRIu64 " of %d pages, stopped and resumed=%" PRIu64 "\n", run.crawls,
           PAGES, run.stops);
    return 0;
}
