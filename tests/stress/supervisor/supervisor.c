/* SPDX-License-Identifier: Apache-2.0 */
/* The whole recovery with its real threads over a driver that lies: servers die, hang and come back
 * at random while workers check out, fail, report, and refreshes are forced. The oracle:
 *  - a client is used by one thread at a time, and never after it was destroyed;
 *  - a client is where it says (its tier is its server's);
 *  - once both servers are well, everybody is served by the primary that was set last;
 *  - whatever settings were changed meanwhile: servers, sizes, driver pools, time-outs;
 *  - whether an error of the driver stays with its client or not (by the seed), and while monitors
 *    send commands;
 *  - after the stop every client and every driver pool is gone.
 */
#include "supervisor.h"
#include "../stress.h"

enum { WORKERS = 6 };
#define ALIVE UINT32_C(0xA11FE)
#define PATIENCE_NS (60 * BASE_NS_PER_S)

struct server {
    const char *uri;
    _Atomic bool is_down, is_silent;
    _Atomic int32_t endpoints, clients;
};
/* two that the primary's URI may name, by turns, and the fallback */
enum { PRIMARY, FALLBACK, OTHER, SERVERS };
static struct server servers[SERVERS] = {
    {.uri = "fake://primary"}, {.uri = "fake://fallback"}, {.uri = "fake://other"}};

struct fake_client {
    _Atomic uint32_t magic;
    _Atomic uint32_t users;
    struct server *server;
};

/* writes: main; reads: workers and connectors; relaxed: the joins order what follows */
static _Atomic bool stop;
static _Atomic uint32_t releases; /* futex: silent servers answer when it moves */
static _Atomic uint64_t settings, used, failed, refused, shared, dead, misplaced, answered;
static bool isolates_errors; /* set before anything starts */

/* ---- the driver --------------------------------------------------------------------------------
 */

static enum gleaner_status fake_open(void *ctx, const struct supervisor_target *target,
                                     void **endpoint, struct base_error *error)
{
    (void)ctx;
    (void)error;
    struct server *server = &servers[PRIMARY];
    while (strcmp(target->uri, server->uri) != 0) {
        server++;
    }
    atomic_fetch_add(&server->endpoints, 1);
    *endpoint = server;
    return GLEANER_OK;
}

static void fake_close(void *ctx, void *endpoint)
{
    (void)ctx;
    atomic_fetch_sub(&((struct server *)endpoint)->endpoints, 1);
}

static const char *fake_address(void *ctx, void *endpoint)
{
    (void)ctx;
    return ((struct server *)endpoint)->uri;
}

static const char *fake_database(void *ctx, void *endpoint)
{
    (void)ctx;
    (void)endpoint;
    return "test";
}

static enum gleaner_status fail(struct mongo_error *error)
{
    *error = (struct mongo_error){.error_class = MONGO_RECONNECT, .message = "refused"};
    return mongo_error_status(MONGO_RECONNECT);
}

static void hang(struct server *server)
{
    uint32_t seen = atomic_load(&releases);
    while (atomic_load(&server->is_silent) && atomic_load(&releases) == seen) {
        (void)sync_futex_wait(&releases, seen, BASE_NO_DEADLINE);
    }
}

static enum gleaner_status fake_connect(void *ctx, void *endpoint, void **client,
                                        int64_t *connection_id, struct mongo_error *error)
{
    (void)ctx;
    struct server *server = endpoint;
    hang(server);
    if (atomic_load(&server->is_down)) {
        return fail(error);
    }
    struct fake_client *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return fail(error);
    }
    atomic_store(&made->magic, ALIVE);
    made->server = server;
    atomic_fetch_add(&server->clients, 1);
    *connection_id = 1;
    *client = made;
    return GLEANER_OK;
}

static void fake_destroy(void *ctx, void *endpoint, void *client)
{
    (void)ctx;
    struct fake_client *gone = client;
    if (atomic_load(&gone->users) != 0 || gone->server != endpoint) {
        atomic_fetch_add(&shared, 1);
    }
    atomic_store(&gone->magic, 0);
    atomic_fetch_sub(&gone->server->clients, 1);
    free(gone);
}

static enum gleaner_status fake_ping(void *ctx, void *client, struct mongo_error *error)
{
    (void)ctx;
    struct server *server = ((struct fake_client *)client)->server;
    hang(server);
    return atomic_load(&server->is_down) ? fail(error) : GLEANER_OK;
}

static enum gleaner_status fake_connections(void *ctx, void *client,
                                            struct supervisor_server_connections *out,
                                            struct mongo_error *error)
{
    (void)out;
    return fake_ping(ctx, client, error);
}

/* ---- workers
 * --------------------------------------------------------------------------------------- */

static bool use(const struct supervisor_client *shown, struct base_random *random)
{
    struct fake_client *client = shown->client;
    if (atomic_load(&client->magic) != ALIVE) {
        atomic_fetch_add(&dead, 1);
        return false;
    }
    if (atomic_fetch_add(&client->users, 1) != 0) {
        atomic_fetch_add(&shared, 1);
    }
    bool is_primary = client->server != &servers[FALLBACK];
    if (is_primary != (shown->tier == CONNECTION_PRIMARY)) {
        atomic_fetch_add(&misplaced, 1);
    }
    for (uint64_t i = base_random_below(random, 200); i > 0; i--) {
        sync_cpu_relax();
    }
    atomic_fetch_sub(&client->users, 1);
    return !atomic_load(&client->server->is_down) && base_random_below(random, 5000) != 0;
}

struct work {
    struct supervisor *supervisor;
    uint64_t seed;
};

static void work(void *arg)
{
    struct work *mine = arg;
    struct pool *pool = supervisor_pool(mine->supervisor);
    struct connection *connection = supervisor_connection(mine->supervisor);
    struct base_random random;
    base_random_init(&random, mine->seed);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct pool_handle handle;
        uint64_t deadline_ns = base_mono_ns() + base_random_below(&random, 3) * BASE_NS_PER_MS;
        if (pool_check_out(pool, deadline_ns, &handle) != GLEANER_OK) {
            atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
            struct connection_snapshot now;
            connection_copy(connection, &now);
            (void)connection_wait_newer(connection, now.version, base_mono_ns() + BASE_NS_PER_MS);
            continue;
        }
        bool ok = use(handle.client, &random);
        (void)pool_check_in(pool, &handle, ok ? POOL_CLIENT_GOOD : POOL_CLIENT_BROKEN);
        if (!ok) {
            connection_report(connection, handle.generation, CONNECTION_FAIL_NETWORK, handle.slot,
                              base_mono_ns());
        }
        atomic_fetch_add_explicit(ok ? &used : &failed, 1, memory_order_relaxed);
    }
}

/* ---- trouble
 * ------------------------------------------------------------------------------------------ */

static void release_silent(void)
{
    atomic_fetch_add(&releases, 1);
    sync_futex_wake(&releases, 1000);
}

static void nap_ms(uint64_t ms)
{
    struct sync_parker parker;
    sync_park_init(&parker);
    (void)sync_park(&parker, base_mono_ns() + ms * BASE_NS_PER_MS);
}

/* ---- settings that change
 * ------------------------------------------------------------------------------ */

static struct supervisor_config config_of(uint64_t seed);

struct setting {
    struct supervisor_message message;
    struct supervisor *supervisor;
    struct supervisor_change *change;
};

static void apply(struct supervisor_message *message, bool is_stopped)
{
    struct setting *setting = BASE_CONTAINER_OF(message, struct setting, message);
    if (!is_stopped) {
        supervisor_change_apply(setting->supervisor, setting->change);
    }
    supervisor_change_destroy(&setting->change);
    free(setting);
}

static void set(struct supervisor *supervisor, const struct supervisor_config *config)
{
    struct base_error error = {0};
    struct setting *setting = calloc(1, sizeof(*setting));
    if (setting == NULL ||
        supervisor_change_create(supervisor, config, &setting->change, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    setting->supervisor = supervisor;
    setting->message.run = apply;
    supervisor_post(supervisor, &setting->message);
}

static void set_something(struct supervisor *supervisor, struct base_random *random)
{
    struct supervisor_config config = config_of(0);
    config.primary_uri = servers[base_random_below(random, 2) == 0 ? PRIMARY : OTHER].uri;
    config.fallback_uri = base_random_below(random, 4) == 0 ? NULL : servers[FALLBACK].uri;
    config.shards = 1 + (uint32_t)base_random_below(random, 3);
    config.pool.max_size = 1 + (uint32_t)base_random_below(random, 8);
    config.connect_ms = 10 + (uint32_t)base_random_below(random, 20);
    config.reconnect_limit = 64 + (uint32_t)base_random_below(random, 64);
    set(supervisor, &config);
    atomic_fetch_add_explicit(&settings, 1, memory_order_relaxed);
}

static void note_answer(void *ctx, const struct supervisor_answer *answer)
{
    (void)ctx;
    (void)answer;
    atomic_fetch_add_explicit(&answered, 1, memory_order_relaxed);
}

struct question {
    struct supervisor_message message;
    struct supervisor *supervisor;
};

static void ask(struct supervisor_message *message, bool is_stopped)
{
    struct question *question = BASE_CONTAINER_OF(message, struct question, message);
    if (!is_stopped) { /* when no server is in use, or it is busy: no answer */
        (void)supervisor_call(question->supervisor, SUPERVISOR_PING, note_answer, NULL);
    }
    free(question);
}

/* What monitors do, on the supervisor's thread. */
static void ask_for_ping(struct supervisor *supervisor)
{
    struct question *question = calloc(1, sizeof(*question));
    if (question != NULL) {
        question->supervisor = supervisor;
        question->message.run = ask;
        supervisor_post(supervisor, &question->message);
    }
}

static void make_trouble(struct supervisor *supervisor, struct base_random *random)
{
    struct server *server = &servers[base_random_below(random, SERVERS)];
    ask_for_ping(supervisor);
    switch (base_random_below(random, 7)) {
    case 0:
        atomic_store(&server->is_down, true);
        break;
    case 1:
        atomic_store(&server->is_silent, true);
        break;
    case 2:
        supervisor_request_refresh(supervisor);
        break;
    case 3:
        supervisor_request_check(supervisor);
        break;
    case 4:
        set_something(supervisor, random);
        break;
    default:
        atomic_store(&server->is_down, false);
        atomic_store(&server->is_silent, false);
        release_silent();
        break;
    }
    nap_ms(base_random_below(random, 15));
}

static void end_trouble(void)
{
    for (size_t i = 0; i < SERVERS; i++) {
        atomic_store(&servers[i].is_down, false);
        atomic_store(&servers[i].is_silent, false);
    }
    release_silent();
}

static bool serves(struct supervisor *supervisor, const char *uri)
{
    uint64_t give_up_ns = base_mono_ns() + PATIENCE_NS;
    struct connection_snapshot now;
    do {
        nap_ms(1);
        connection_copy(supervisor_connection(supervisor), &now);
    } while ((now.phase != CONNECTION_CONNECTED || strcmp(now.address, uri) != 0) &&
             base_mono_ns() < give_up_ns);
    return now.phase == CONNECTION_CONNECTED && strcmp(now.address, uri) == 0;
}

static struct supervisor_config config_of(uint64_t seed)
{
    return (struct supervisor_config){
        .primary_uri = servers[0].uri,
        .fallback_uri = servers[1].uri,
        .app_name = "stress",
        .pool = {.slot_capacity = 24,
                 .max_size = 4,
                 .min_size = 1,
                 .max_connecting = 2,
                 .refresh_extra = 2,
                 .address = "fake"},
        .shards = 2,
        .connect_ms = 20,
        .refresh_interval_ms = 1000,
        .reconnect_limit = 128,
        .reconnect_window_ms = 1000,
        .backoff_base_ms = 1,
        .backoff_cap_ms = 10,
        .return_checks = 2,
        .return_span_ms = 5,
        .random_seed = seed,
        .clock = base_clock_real(),
        .driver = {.isolates_errors = isolates_errors,
                   .open = fake_open,
                   .close = fake_close,
                   .address = fake_address,
                   .database = fake_database,
                   .connect = fake_connect,
                   .destroy = fake_destroy,
                   .ping = fake_ping,
                   .server_connections = fake_connections},
    };
}

static struct supervisor *start(uint64_t seed)
{
    struct supervisor_config config = config_of(seed);
    struct base_error error = {0};
    struct supervisor *supervisor = NULL;
    if (supervisor_create(&config, &supervisor, &error) != GLEANER_OK ||
        supervisor_start(supervisor) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
    return supervisor;
}

static bool all_gone(void)
{
    for (size_t i = 0; i < SERVERS; i++) {
        if (atomic_load(&servers[i].clients) != 0 || atomic_load(&servers[i].endpoints) != 0) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("supervisor", argc, argv);
    struct base_random random;
    struct sync_thread *threads[WORKERS];
    struct work works[WORKERS];
    base_random_init(&random, options.seed);
    isolates_errors = (options.seed & 2) != 0; /* a random one is odd */
    base_log_set_level(BASE_LOG_ERROR);
    sync_init();
    sync_reader_ensure();
    struct supervisor *supervisor = start(options.seed);
    for (size_t i = 0; i < WORKERS; i++) {
        works[i] = (struct work){supervisor, options.seed + i + 1};
        if (sync_thread_start(&threads[i], "worker", SYNC_READER, work, &works[i]) != GLEANER_OK) {
            return 2;
        }
    }
    while (base_mono_ns() < options.end_ns) {
        make_trouble(supervisor, &random);
    }
    end_trouble();
    /* the last settings win, and are taken up by themselves: there, and back by a refresh */
    struct supervisor_config last = config_of(0);
    set(supervisor, &last);
    bool recovered = serves(supervisor, servers[PRIMARY].uri);
    last.primary_uri = servers[OTHER].uri;
    set(supervisor, &last);
    recovered = serves(supervisor, servers[OTHER].uri) && recovered;
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    for (size_t i = 0; i < WORKERS; i++) {
        sync_thread_join(&threads[i]);
    }
    struct supervisor_counts counts;
    supervisor_read_counts(supervisor, &counts);
    uint64_t transitions = connection_transitions(supervisor_connection(supervisor));
    enum supervisor_end end = supervisor_stop(&supervisor, 5000);
    printf("supervisor: used %llu, failed %llu, refused %llu, transitions %llu, attempts %llu, "
           "refreshes %llu, condemned %llu, settings %llu, answers %llu, isolates %d\n",
           (unsigned long long)used, (unsigned long long)failed, (unsigned long long)refused,
           (unsigned long long)transitions, (unsigned long long)counts.reconnects,
           (unsigned long long)counts.refreshes, (unsigned long long)counts.condemned,
           (unsigned long long)settings, (unsigned long long)answered, isolates_errors);
    bool holds = recovered && end == SUPERVISOR_CLEAN && all_gone() && shared == 0 && dead == 0 &&
                 misplaced == 0 && used > 0;
    if (!holds) {
        printf("VIOLATION: recovered %d, end %d, clients %d+%d, pools %d+%d, shared %llu, "
               "dead %llu, misplaced %llu\n",
               recovered, (int)end, atomic_load(&servers[0].clients),
               atomic_load(&servers[1].clients), atomic_load(&servers[0].endpoints),
               atomic_load(&servers[1].endpoints), (unsigned long long)shared,
               (unsigned long long)dead, (unsigned long long)misplaced);
        return 1;
    }
    return 0;
}
