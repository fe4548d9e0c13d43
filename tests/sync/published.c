/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"
#include <criterion/criterion.h>
#include <signal.h>

TestSuite(published, .timeout = 20);

Test(published, reader_sees_what_was_published_last)
{
    int first = 1;
    int second = 2;
    struct sync_published published = {NULL};
    sync_reader_register();
    sync_read_lock();
    cr_assert_null(sync_read(&published));
    sync_read_unlock();
    cr_assert_null(sync_publish(&published, &first));
    cr_assert_eq(sync_publish(&published, &second), &first);
    sync_read_lock();
    cr_assert_eq(sync_read(&published), &second);
    sync_read_unlock();
    sync_reader_unregister();
}

Test(published, registration_and_read_sections_nest)
{
    sync_reader_register();
    sync_reader_register();
    sync_reader_unregister();
    sync_read_lock();
    sync_read_lock();
    sync_read_unlock();
    sync_read_unlock();
    sync_wait_readers();
    sync_reader_unregister();
    sync_wait_readers();
}

Test(published, waiting_inside_a_read_section_aborts, .signal = SIGABRT)
{
    sync_reader_register();
    sync_read_lock();
    sync_wait_readers();
}

Test(published, unregistering_once_too_often_aborts, .signal = SIGABRT)
{
    sync_reader_unregister();
}

struct reader {
    struct sync_parker inside;
    struct sync_parker may_leave;
    _Atomic bool has_left;
};

static void read_until_told(void *arg)
{
    struct reader *reader = arg;
    sync_read_lock();
    sync_unpark(&reader->inside);
    /* A section that blocks is what the door forbids; here it is what the test is about. */
    sync_park(&reader->may_leave, BASE_NO_DEADLINE);
    atomic_store_explicit(&reader->has_left, true, memory_order_relaxed);
    sync_read_unlock();
}

static void release_reader(void *arg)
{
    struct reader *reader = arg;
    sync_unpark(&reader->may_leave);
}

Test(published, grace_period_ends_after_the_section_that_was_open)
{
    for (int round = 0; round < 200; round++) {
        struct reader reader = {0};
        struct sync_thread *threads[2];
        cr_assert_eq(sync_thread_start(&threads[0], "r", SYNC_READER, read_until_told, &reader),
                     GLEANER_OK);
        sync_park(&reader.inside, BASE_NO_DEADLINE);
        cr_assert_eq(sync_thread_start(&threads[1], "s", SYNC_PLAIN, release_reader, &reader),
                     GLEANER_OK);
        sync_wait_readers();
        cr_assert(atomic_load_explicit(&reader.has_left, memory_order_relaxed));
        sync_thread_join(&threads[0]);
        sync_thread_join(&threads[1]);
    }
}
