/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that change while clients are in use, on real servers. */
#include "db_fixture.h"
#include <stdio.h>

static struct gleaner_db_options quick_options(const char *uri)
{
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.max_pool_size = 4;
    options.backoff_base_ms = 20;
    options.backoff_cap_ms = 200;
    options.reconnect_limit = 100;
    options.connect_ms = 3000;
    options.server_selection_ms = 500;
    return options;
}

static void configure(struct gleaner_db *db, const struct gleaner_db_options *options)
{
    struct gleaner_error error = {0};
    cr_assert_eq(gleaner_db_configure(db, options, &error), GLEANER_OK, "%s", error.message);
}

/* Refused, and the message names what cannot be. */
static void expect_refusal(struct gleaner_db *db, const struct gleaner_db_options *options,
                           const char *name)
{
    struct gleaner_error error = {0};
    cr_expect_eq(gleaner_db_configure(db, options, &error), GLEANER_E_CONFIG, "%s", name);
    cr_expect_eq(error.status, GLEANER_E_CONFIG);
    cr_expect(strstr(error.message, name) != NULL, "\"%s\" names %s", error.message, name);
}

static bool is_at_port(struct gleaner_db *db, uint16_t port)
{
    char text[16];
    snprintf(text, sizeof(text), ":%u", port);
    struct gleaner_db_state state = read_state(db);
    return strcmp(state.phase, "connected") == 0 && strstr(state.address, text) != NULL;
}

static uint32_t take_all(struct gleaner_db *db, struct gleaner_client *clients, uint32_t most)
{
    uint32_t count = 0;
    while (count < most && gleaner_db_check_out(db, 3000, &clients[count]) == GLEANER_OK) {
        count++;
    }
    return count;
}

static void give_all(struct gleaner_db *db, struct gleaner_client *clients, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_eq(gleaner_db_check_in(db, &clients[i], NULL), GLEANER_OK);
    }
}

Test(db_configure, the_pool_grows_and_shrinks_while_it_serves)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    struct gleaner_db *db = open_db(&options);
    struct gleaner_client clients[8];
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);

    options.max_pool_size = 8;
    configure(db, &options);
    cr_expect_eq(read_report(db).max_size, 8);
    cr_assert_eq(take_all(db, clients, 8), 8, "all eight can be had at once");

    options.max_pool_size = 2;
    options.min_pool_size = 1;
    configure(db, &options); /* busy ones leave as they return */
    struct gleaner_client one_more;
    cr_expect_neq(gleaner_db_check_out(db, 0, &one_more), GLEANER_OK);
    give_all(db, clients, 8);
    cr_expect(EVENTUALLY(read_report(db).total <= 2));
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

struct callback {
    _Atomic(struct gleaner_db *) db;
    const struct gleaner_db_options *options;
    _Atomic int status; /* of the call in the callback; -1 = not called yet */
};

static void configure_in_callback(void *ctx, const char *phase, const char *tier,
                                  const char *reason)
{
    (void)phase;
    (void)tier;
    (void)reason;
    struct callback *callback = ctx;
    struct gleaner_db *db = atomic_load(&callback->db);
    if (db != NULL) {
        atomic_store(&callback->status, (int)gleaner_db_configure(db, callback->options, NULL));
    }
}

Test(db_configure, what_cannot_be_is_refused_by_name_and_nothing_is_changed)
{
    struct gleaner_db_options options = quick_options("mongodb://127.0.0.1:1/");
    struct gleaner_db *db = open_db(&options);
    struct gleaner_db_options other = options;

    other.uri = NULL;
    expect_refusal(db, &other, "uri");
    other = options;
    other.uri = "localhost:27017";
    other.max_pool_size = 6; /* right in itself: must not be applied alone */
    expect_refusal(db, &other, "uri");
    other = options;
    other.max_pool_size = 33;
    expect_refusal(db, &other, "max_pool_size");
    other = options;
    other.max_pool_size_limit = 50;
    expect_refusal(db, &other, "max_pool_size_limit");
    other = options;
    other.health_interval_ms = 1;
    expect_refusal(db, &other, "health_interval_ms");
    other = options;
    other.reconnect_limit = 1000;
    expect_refusal(db, &other, "reconnect_limit");
    other = options;
    other.backoff_base_ms = 1000;
    expect_refusal(db, &other, "backoff_base_ms");
    other = options;
    other.fallback_uri = "http://localhost";
    expect_refusal(db, &other, "fallback_uri");
    other = options;
    other.on_state = configure_in_callback;
    expect_refusal(db, &other, "on_state");
    cr_expect_eq(read_report(db).max_size, 4);
    cr_expect_eq(gleaner_db_close(&db, 0), GLEANER_OK);
}

Test(db_configure, a_callback_of_the_supervisor_is_refused_instead_of_hanging)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    struct callback callback = {.options = &options, .status = -1};
    options.on_state = configure_in_callback;
    options.on_state_ctx = &callback;
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    atomic_store(&callback.db, db);
    fixture_mongod_kill(server, 0);
    gleaner_db_check_now(db);
    cr_expect(EVENTUALLY(atomic_load(&callback.status) != -1));
    cr_expect_eq(atomic_load(&callback.status), (int)GLEANER_E_INVALID);
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

Test(db_configure, an_interval_holds_from_now_on_and_not_after_the_old_one)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(server));
    options.health_interval_ms = 3600000;
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    cr_expect_eq(read_report(db).checks, 0);
    options.health_interval_ms = 100;
    configure(db, &options);
    cr_expect(EVENTUALLY(read_report(db).checks >= 3));
    uint64_t refreshes = read_report(db).refreshes;
    options.refresh_interval_ms = 1000;
    configure(db, &options);
    cr_expect(EVENTUALLY(read_report(db).refreshes > refreshes));
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}

/* ---- other servers
 * -------------------------------------------------------------------------------- */

struct load {
    struct gleaner_db *db;
    _Atomic bool must_stop;
    _Atomic uint64_t done, failed;
};

static void keep_pinging(void *arg)
{
    struct load *load = arg;
    while (!atomic_load(&load->must_stop)) {
        struct gleaner_client client;
        bson_error_t error;
        bool ok = gleaner_db_check_out(load->db, PATIENCE_MS, &client) == GLEANER_OK;
        if (ok) {
            ok = ping(&client, &error);
            (void)gleaner_db_check_in(load->db, &client, ok ? NULL : &error);
        }
        atomic_fetch_add(ok ? &load->done : &load->failed, 1);
    }
}

Test(db_configure, another_primary_is_taken_up_under_load_without_a_failed_operation)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *old = fixture_mongod_start(NULL);
    struct fixture_mongod *new = fixture_mongod_start(NULL);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(old));
    struct load load = {.db = open_db(&options)};
    struct sync_thread *threads[6];
    for (size_t i = 0; i < BASE_ARRAY_LEN(threads); i++) {
        cr_assert_eq(sync_thread_start(&threads[i], "load", SYNC_READER, keep_pinging, &load),
                     GLEANER_OK);
    }
    cr_assert(EVENTUALLY(atomic_load(&load.done) > 100));
    for (int round = 0; round < 3; round++) { /* there, back, and with other time-outs as well */
        struct fixture_mongod *to = round % 2 == 0 ? new : old;
        options.uri = fixture_mongod_uri(to);
        options.socket_ms = 5000 + 1000 * (uint32_t)round;
        configure(load.db, &options);
        cr_expect(EVENTUALLY(is_at_port(load.db, fixture_mongod_port(to, 0))));
    }
    atomic_store(&load.must_stop, true);
    for (size_t i = 0; i < BASE_ARRAY_LEN(threads); i++) {
        sync_thread_join(&threads[i]);
    }
    cr_expect_eq(atomic_load(&load.failed), 0);
    cr_expect_eq(gleaner_db_close(&load.db, 1000), GLEANER_OK);
    fixture_mongod_end(&old);
    fixture_mongod_end(&new);
}

Test(db_configure, a_new_primary_that_does_not_answer_leaves_the_old_one_in_service)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *old = fixture_mongod_start(NULL);
    struct fixture_mongod *new = fixture_mongod_start(NULL);
    struct gleaner_db_options options = quick_options(fixture_mongod_uri(old));
    struct gleaner_db *db = open_db(&options);
    cr_assert_eq(gleaner_db_wait_up(db, PATIENCE_MS), GLEANER_OK);
    fixture_mongod_kill(new, 0);
    options.uri = fixture_mongod_uri(new);
    configure(db, &options);
    for (int i = 0; i < 200; i++) { /* the first attempt fails meanwhile, in a millisecond */
        struct gleaner_client client;
        bson_error_t error;
        cr_assert_eq(gleaner_db_check_out(db, PATIENCE_MS, &client), GLEANER_OK);
        cr_assert(ping(&client, &error), "%s", error.message);
        (void)gleaner_db_check_in(db, &client, NULL);
    }
    cr_expect(is_at_port(db, fixture_mongod_port(old, 0)));
    cr_assert(fixture_mongod_restart(new, 0));
    cr_expect(EVENTUALLY(is_at_port(db, fixture_mongod_port(new, 0))), "tried again by itself");
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&old);
    fixture_mongod_end(&new);
}

Test(db_configure, a_fallback_comes_and_goes_and_a_primary_replaces_none)
{
    FIXTURE_NEED_MONGOD();
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct gleaner_db_options options = quick_options(NULL);
    struct gleaner_db *db = open_db(&options);
    cr_expect(EVENTUALLY(strcmp(read_state(db).phase, "embedded") == 0));

    options.uri = "mongodb://127.0.0.1:1/";
    options.fallback_uri = fixture_mongod_uri(server);
    configure(db, &options);
    cr_expect(EVENTUALLY(strcmp(read_state(db).phase, "fallback") == 0));

    options.fallback_uri = NULL;
    configure(db, &options);
    cr_expect(EVENTUALLY(!gleaner_db_is_up(db)), "a fallback that is taken away is left");

    options.uri = fixture_mongod_uri(server);
    configure(db, &options);
    cr_expect(EVENTUALLY(is_at_port(db, fixture_mongod_port(server, 0))));
    cr_expect_eq(gleaner_db_close(&db, 1000), GLEANER_OK);
    fixture_mongod_end(&server);
}
