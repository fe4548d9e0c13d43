/* SPDX-License-Identifier: Apache-2.0 */
/* Workers go in and out of a module that is unloaded and loaded again under them. The oracle:
 * - no worker is ever inside a closed module (the module looks at its own state and says so);
 * - every open is followed by exactly one close, and by none while somebody is inside;
 * - what an unload with a short deadline leaves behind is closed later. */
#include "../stress.h"
#include "module.h"

#define WORKERS 6

enum counter { OPENED, CLOSED, HANDLED, HANDLED_LATE, COUNTERS };
static const char *const names[COUNTERS] = {"open", "close", "handle", "handle_after_close"};

static struct module_registry *registry;
static struct base_counter counters[COUNTERS];
static struct base_counter missed;
/* writes: main; reads: workers; relaxed: the joins order what follows */
static _Atomic bool stop;

static void count(struct gleaner_task *task, const char *name, uint64_t n)
{
    (void)task;
    for (size_t i = 0; i < COUNTERS; i++) {
        if (strcmp(names[i], name) == 0) {
            base_counter_add(&counters[i], n);
        }
    }
}

static const struct gleaner_host host = {
    .size = sizeof host, .abi = GLEANER_MODULE_ABI, .count = count};

static void work(void *arg)
{
    (void)arg;
    struct gleaner_page page = {.size = sizeof page};
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct module_use use;
        if (module_acquire(registry, "good", &use) != GLEANER_OK) {
            base_counter_add(&missed, 1); /* unloaded just now */
            continue;
        }
        (void)use.module->handle(use.state, &host, NULL, &page);
        module_release(registry, &use);
    }
}

/* Unload, at times without patience, and load again. */
static bool reload(const char *path, struct base_random *random)
{
    struct base_error error = {0};
    uint64_t patience = base_random_below(random, 3);
    uint64_t deadline = patience == 0 ? 0 : base_mono_ns() + patience * BASE_NS_PER_S * 10;
    enum gleaner_status status = module_unload(registry, "good", deadline, &error);
    if (status != GLEANER_OK && (status != GLEANER_E_TIMEOUT || patience != 0)) {
        fprintf(stderr, "unload: %s\n", error.message);
        return false;
    }
    status = module_load(registry, path, &error);
    if (status != GLEANER_OK) {
        fprintf(stderr, "load: %s\n", error.message);
    }
    return status == GLEANER_OK;
}

static bool check(uint64_t reloads)
{
    uint64_t opened = base_counter_get(&counters[OPENED]);
    uint64_t closed = base_counter_get(&counters[CLOSED]);
    uint64_t handled = base_counter_get(&counters[HANDLED]);
    uint64_t late = base_counter_get(&counters[HANDLED_LATE]);
    printf("module_reload: %" PRIu64 " reloads, %" PRIu64 " pages, %" PRIu64 " found it unloaded, "
           "opened %" PRIu64 ", closed %" PRIu64 ", inside a closed one %" PRIu64 "\n",
           reloads, handled, base_counter_get(&missed), opened, closed, late);
    return late == 0 && opened == closed && opened == reloads + 1 && handled > 0 && reloads > 0;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("stress_module_reload", argc, argv);
    struct base_random random;
    base_random_init(&random, options.seed);
    sync_init();
    base_log_set_level(BASE_LOG_WARN);
    const char *path = MODULE_FIXTURES "/good.so";
    struct base_error error = {0};
    if (module_registry_create(&host, &registry) != GLEANER_OK ||
        module_load(registry, path, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    struct sync_thread *workers[WORKERS] = {NULL};
    for (size_t i = 0; i < WORKERS; i++) {
        if (sync_thread_start(&workers[i], "worker", SYNC_READER, work, NULL) != GLEANER_OK) {
            return 1;
        }
    }
    bool good = true;
    uint64_t reloads = 0;
    while (good && base_mono_ns() < options.end_ns) {
        good = reload(path, &random);
        reloads += good ? 1 : 0;
    }
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    for (size_t i = 0; i < WORKERS; i++) {
        sync_thread_join(&workers[i]);
    }
    module_registry_destroy(&registry);
    return check(reloads) && good ? 0 : 1;
}
