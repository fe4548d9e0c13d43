/* SPDX-License-Identifier: Apache-2.0 */
/* What a module may do with the database: a client or a reason, and operations that are repeated
 * where that is safe. */
#include "mongod.h"
#include "worker.h"
#include "worker_internal.h"
#include <criterion/criterion.h>
#include <string.h>

/* Long enough for a loaded machine; it only ends a test that hangs. */
#define PATIENCE_MS 60000

struct world {
    struct fixture_mongod *server;
    struct gleaner_db *db;
    struct worker_group *group;
    struct worker *worker;
    struct gleaner_task *task;
};

static void world_open(struct world *world, bool has_server)
{
    world->group = calloc(1, sizeof(*world->group));
    world->worker = calloc(1, sizeof(*world->worker));
    world->worker->group = world->group;
    world->task = &world->worker->task;
    *world->task =
        (struct gleaner_task){.magic = TASK_MAGIC,
                              .worker = world->worker,
                              .module_name = "mine",
                              .deadline_ns = base_mono_ns() + PATIENCE_MS * BASE_NS_PER_MS};
    if (has_server) {
        struct gleaner_db_options options;
        gleaner_db_options_init(&options);
        world->server = fixture_mongod_start(NULL);
        options.uri = fixture_mongod_uri(world->server);
        cr_assert_eq(gleaner_db_open(&options, &world->db, NULL), GLEANER_OK);
        world->group->options.db = world->db;
    }
}

static void world_close(struct world *world)
{
    if (world->db != NULL) {
        cr_expect_eq(gleaner_db_close(&world->db, 1000), GLEANER_OK);
    }
    fixture_mongod_end(&world->server);
    free(world->worker);
    free(world->group);
}

struct try_count {
    uint32_t tries;
    uint32_t domain, code; /* the first try fails so; 0, 0 = it does not */
};

static bool ping(void *ctx, struct _mongoc_client_t *client, const char *database,
                 uint32_t *error_domain, uint32_t *error_code)
{
    struct try_count *count = ctx;
    bson_error_t error = {.domain = count->domain, .code = count->code};
    bson_t *command = BCON_NEW("ping", BCON_INT32(1));
    bool ok = count->tries++ > 0 || count->code == 0;
    if (ok) {
        ok = mongoc_client_command_simple(client, database, command, NULL, NULL, &error);
    }
    bson_destroy(command);
    *error_domain = error.domain;
    *error_code = error.code;
    return ok;
}

Test(worker_database, an_operation_of_a_module_is_repeated_when_it_is_idempotent)
{
    FIXTURE_NEED_MONGOD();
    struct world world = {0};
    struct try_count count = {.domain = MONGOC_ERROR_SERVER, .code = 112};
    char why[256] = "?";
    world_open(&world, true);
    cr_expect_eq(worker_host()->run(world.task, PATIENCE_MS, GLEANER_IDEMPOTENT, ping, &count, why,
                                    sizeof(why)),
                 GLEANER_OK);
    cr_expect_eq(count.tries, 2);
    cr_expect_str_empty(why);
    world_close(&world);
}

Test(worker_database, one_that_may_be_done_once_is_not_and_the_module_is_told_why)
{
    FIXTURE_NEED_MONGOD();
    struct world world = {0};
    struct try_count count = {.domain = MONGOC_ERROR_SERVER, .code = 112};
    char why[256] = "";
    world_open(&world, true);
    cr_expect_eq(
        worker_host()->run(world.task, PATIENCE_MS, GLEANER_ONCE, ping, &count, why, sizeof(why)),
        GLEANER_E_BUSY);
    cr_expect_eq(count.tries, 1);
    cr_expect(strstr(why, "not idempotent") != NULL, "%s", why);
    cr_expect(strstr(why, "mine") != NULL, "%s", why);
    world_close(&world);
}

Test(worker_database, a_task_that_holds_a_client_is_told_so_and_gets_no_second_one)
{
    FIXTURE_NEED_MONGOD();
    struct world world = {0};
    struct try_count count = {0};
    struct _mongoc_client_t *client;
    const char *database;
    world_open(&world, true);
    cr_assert_eq(worker_host()->check_out(world.task, PATIENCE_MS, &client, &database), GLEANER_OK);
    cr_expect_eq(
        worker_host()->run(world.task, PATIENCE_MS, GLEANER_IDEMPOTENT, ping, &count, NULL, 0),
        GLEANER_E_BUSY);
    cr_expect_eq(count.tries, 0);
    worker_host()->check_in(world.task, 0, 0);
    cr_expect_eq(
        worker_host()->run(world.task, PATIENCE_MS, GLEANER_IDEMPOTENT, ping, &count, NULL, 0),
        GLEANER_OK);
    world_close(&world);
}

Test(worker_database, without_a_server_it_is_refused_at_once_with_a_reason)
{
    struct world world = {0};
    struct try_count count = {0};
    char why[256] = "";
    world_open(&world, false);
    cr_expect_eq(worker_host()->run(world.task, PATIENCE_MS, GLEANER_IDEMPOTENT, ping, &count, why,
                                    sizeof(why)),
                 GLEANER_E_DOWN);
    cr_expect_eq(count.tries, 0);
    cr_expect_str_not_empty(why);
    world_close(&world);
}
