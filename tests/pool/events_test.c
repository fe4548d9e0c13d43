/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <string.h>

enum { EVENTS_MAX = 64 };

struct log {
    struct pool_event events[EVENTS_MAX];
    size_t count;
};

static void note_event(void *ctx, const struct pool_event *event)
{
    struct log *log = ctx;
    cr_assert_lt(log->count, EVENTS_MAX);
    log->events[log->count++] = *event;
}

static void open_logged(struct rig *rig, struct log *log, const struct pool_config *config)
{
    struct pool_hooks hooks = {.on_event = note_event, .event_ctx = log};
    struct base_error error;
    *log = (struct log){0};
    *rig = (struct rig){.clock = base_clock_virtual_create(BASE_NS_PER_S)};
    cr_assert_eq(pool_create(config, &hooks, rig->clock, &rig->pool, &error), GLEANER_OK);
    pool_ready(rig->pool);
    (void)rig_connect(rig);
}

static void expect(const struct log *log, size_t at, enum pool_event_type type,
                   enum pool_event_reason reason, uint64_t connection_id)
{
    cr_assert_lt(at, log->count);
    cr_assert_str_eq(pool_event_type_name(log->events[at].type), pool_event_type_name(type));
    cr_assert_str_eq(pool_event_reason_name(log->events[at].reason),
                     pool_event_reason_name(reason));
    cr_assert_eq(log->events[at].connection_id, connection_id);
    cr_assert_str_eq(log->events[at].address, "test:27017");
}

Test(events, a_life_is_told_in_order, .timeout = 10)
{
    struct rig rig;
    struct log log;
    struct pool_config config = rig_config(1);
    config.min_size = 1;
    open_logged(&rig, &log, &config);
    struct pool_handle handle = rig_take(&rig);
    (void)pool_clear(rig.pool, true);
    rig_give(&rig, &handle);
    pool_close(rig.pool);
    const struct pool_event *cleared = &log.events[6];
    expect(&log, 0, POOL_EV_CREATED, POOL_REASON_NONE, 0);
    expect(&log, 1, POOL_EV_READY, POOL_REASON_NONE, 0);
    expect(&log, 2, POOL_EV_CONNECTION_CREATED, POOL_REASON_NONE, 1);
    expect(&log, 3, POOL_EV_CONNECTION_READY, POOL_REASON_NONE, 1);
    expect(&log, 4, POOL_EV_CHECK_OUT_STARTED, POOL_REASON_NONE, 0);
    expect(&log, 5, POOL_EV_CHECKED_OUT, POOL_REASON_NONE, 1);
    expect(&log, 6, POOL_EV_CLEARED, POOL_REASON_NONE, 0);
    cr_assert(cleared->interrupt_in_use);
    expect(&log, 7, POOL_EV_CHECKED_IN, POOL_REASON_NONE, 1);
    expect(&log, 8, POOL_EV_CONNECTION_CLOSED, POOL_REASON_STALE, 1);
    expect(&log, 9, POOL_EV_CLOSED, POOL_REASON_NONE, 0);
    cr_assert_eq(log.count, 10);
    rig_close(&rig);
}

Test(events, a_client_that_idled_too_long_is_closed_by_the_check_out_that_finds_it, .timeout = 10)
{
    struct rig rig;
    struct log log;
    struct pool_config config = rig_config(2);
    struct pool_handle handle;
    struct base_error error;
    config.min_size = 1;
    open_logged(&rig, &log, &config);
    config.min_size = 0;
    config.max_idle_ms = 10;
    cr_assert_eq(pool_configure(rig.pool, &config, &error), GLEANER_OK);
    base_clock_advance(rig.clock, 50 * BASE_NS_PER_MS);
    size_t before = log.count;
    cr_assert_eq(pool_check_out(rig.pool, 0, &handle), GLEANER_E_BUSY);
    expect(&log, before, POOL_EV_CHECK_OUT_STARTED, POOL_REASON_NONE, 0);
    expect(&log, before + 1, POOL_EV_CONNECTION_CLOSED, POOL_REASON_IDLE, 1);
    expect(&log, before + 2, POOL_EV_CHECK_OUT_FAILED, POOL_REASON_TIMEOUT, 0);
    rig_close(&rig);
}

Test(events, close_closes_idle_clients_before_it_says_so, .timeout = 10)
{
    struct rig rig;
    struct log log;
    struct pool_config config = rig_config(1);
    config.min_size = 1;
    open_logged(&rig, &log, &config);
    size_t before = log.count;
    pool_close(rig.pool);
    pool_close(rig.pool); /* no second event */
    expect(&log, before, POOL_EV_CONNECTION_CLOSED, POOL_REASON_POOL_CLOSED, 1);
    expect(&log, before + 1, POOL_EV_CLOSED, POOL_REASON_NONE, 0);
    cr_assert_eq(log.count, before + 2);
    rig_close(&rig);
}

Test(events, a_second_clear_and_a_second_ready_say_nothing, .timeout = 10)
{
    struct rig rig;
    struct log log;
    struct pool_config config = rig_config(1);
    open_logged(&rig, &log, &config);
    pool_ready(rig.pool);
    cr_assert_eq(log.count, 2);
    cr_assert_eq(pool_clear(rig.pool, false), 1);
    cr_assert_eq(pool_clear(rig.pool, false), 2);
    cr_assert_eq(log.count, 3);
    rig_close(&rig);
}
