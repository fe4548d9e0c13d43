/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads around one engine: submitters, consumers, somebody who changes limits, a drain at a
 * random moment. Oracle: every accepted request comes back exactly once; after the last one CLOSED.
 */
#include "fetch.h"
#include "../stress.h"
#include "http_fixture.h"

#define HOSTS 8
#define SUBMITTERS 2
#define CONSUMERS 3
#define REQUESTS 400 /* of each submitter, in each round */

struct round {
    struct fetch_engine *engine;
    const struct http_fixture *http;
    uint64_t seed;
    /* writes: submitters (1 = accepted, 2 = refused) before the engine has it, consumers (+16
     * each); reads: main after all joined */
    _Atomic uint32_t state[SUBMITTERS * REQUESTS];
    _Atomic uint32_t submitter;
};

static const char *const paths[] = {
    "/ok",    "/redirect?to=/ok",  "/close", "/status?code=404", "/late?ms=5",
    "/short", "/huge?bytes=70000", "/silent"};

static void submit_all(void *arg)
{
    struct round *round = arg;
    uint32_t self = atomic_fetch_add_explicit(&round->submitter, 1, memory_order_relaxed);
    struct base_random random;
    base_random_init(&random, round->seed + self);
    for (uint32_t i = self * REQUESTS; i < (self + 1) * REQUESTS; i++) {
        char url[128];
        snprintf(url, sizeof(url), "http://%s:%u%s",
                 base_random_below(&random, 8) == 0 ? "localhost" : "127.0.0.1",
                 round->http->ports[base_random_below(&random, HOSTS)],
                 paths[base_random_below(&random, base_random_below(&random, 20) == 0 ? 8 : 7)]);
        struct fetch_request request = {.url = url,
                                        .user = (void *)&round->state[i],
                                        .follow_redirects = base_random_below(&random, 2) == 0};
        atomic_store_explicit(&round->state[i], 1, memory_order_relaxed);
        if (fetch_submit(round->engine, &request) != GLEANER_OK) {
            atomic_store_explicit(&round->state[i], 2, memory_order_relaxed);
        }
    }
}

static void consume_all(void *arg)
{
    struct round *round = arg;
    struct fetch_result *result;
    enum gleaner_status status;
    while ((status = fetch_next(round->engine, BASE_NO_DEADLINE, &result)) != GLEANER_E_CLOSED) {
        if (status == GLEANER_OK) {
            _Atomic uint32_t *state = result->user;
            atomic_fetch_add_explicit(state, 16, memory_order_relaxed);
            fetch_result_free(&result);
        }
    }
}

static void disturb(struct fetch_engine *engine, struct fetch_options options, uint64_t end_ns,
                    struct base_random *random)
{
    struct fetch_stats stats;
    while (base_mono_ns() < end_ns) {
        options.max_per_host = 1 + (uint32_t)base_random_below(random, 6);
        options.max_transfers = 1 + (uint32_t)base_random_below(random, 30);
        options.delay_ms = base_random_below(random, 4) == 0 ? 2 : 0;
        fetch_configure(engine, &options);
        fetch_nudge(engine);
        fetch_read_stats(engine, &stats);
        for (int i = 0; i < 2000; i++) {
            sync_cpu_relax();
        }
    }
}

static bool run_round(const struct http_fixture *http, uint64_t seed)
{
    static const char *const loopback[] = {"127.0.0.0/8", "::1"};
    struct sync_thread *threads[SUBMITTERS + CONSUMERS];
    struct base_random random;
    struct fetch_options options;
    struct base_error error;
    struct round *round = calloc(1, sizeof(*round));
    base_random_init(&random, seed);
    fetch_options_init(&options);
    options.allow_net = loopback;
    options.allow_net_count = 2;
    options.fetcher_threads = 1 + (uint32_t)base_random_below(&random, 3);
    options.first_byte_ms = 200;
    options.use_robots = base_random_below(&random, 2) == 0;
    if (round == NULL || fetch_engine_start(&options, &round->engine, &error) != GLEANER_OK) {
        return false;
    }
    round->http = http;
    round->seed = seed;
    for (size_t i = 0; i < SUBMITTERS + CONSUMERS; i++) {
        if (sync_thread_start(&threads[i], "stress", SYNC_PLAIN,
                              i < SUBMITTERS ? submit_all : consume_all, round) != GLEANER_OK) {
            abort();
        }
    }
    uint64_t patience_ns = base_random_below(&random, 600) * BASE_NS_PER_MS;
    disturb(round->engine, options, base_mono_ns() + patience_ns, &random);
    fetch_drain(round->engine, base_mono_ns() + base_random_below(&random, 50) * BASE_NS_PER_MS);
    for (size_t i = 0; i < SUBMITTERS + CONSUMERS; i++) {
        sync_thread_join(&threads[i]);
    }
    fetch_engine_stop(&round->engine);
    uint32_t wrong = 0, accepted = 0;
    for (size_t i = 0; i < SUBMITTERS * REQUESTS; i++) {
        uint32_t state = atomic_load_explicit(&round->state[i], memory_order_relaxed);
        wrong += state != 2 && state != 17;
        accepted += state == 17;
    }
    printf("accepted %u of %u\n", accepted, SUBMITTERS * REQUESTS);
    if (wrong > 0) {
        printf("VIOLATION: %u requests did not come back exactly once\n", wrong);
    }
    free(round);
    return wrong == 0;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("fetch", argc, argv);
    struct http_fixture http;
    sync_init();
    if (!http_fixture_start(&http, HOSTS, HTTP_FIXTURE_PLAIN)) {
        return 1;
    }
    bool ok = true;
    for (uint64_t n = 0; ok && (n == 0 || base_mono_ns() < options.end_ns); n++) {
        ok = run_round(&http, options.seed + n * 16);
    }
    http_fixture_end(&http);
    return ok ? 0 : 1;
}
