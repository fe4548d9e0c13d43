/* SPDX-License-Identifier: Apache-2.0 */
#include "process_internal.h"
#include "sync.h"
#include <criterion/criterion.h>
#include <string.h>

/* Somebody who asks on a thread of his own, as the status server does. */
struct asker {
    struct control *control;
    struct base_buffer out;
    struct base_error error;
    enum gleaner_status status;
    struct sync_thread *thread;
};

static struct asker asker;
static uint32_t served_by;

static enum gleaner_status answer(struct live *live, const char *text, struct base_buffer *out,
                                  struct base_error *error)
{
    (void)live;
    served_by = sync_thread_id();
    base_buffer_printf(out, "heard %s", text);
    return strcmp(text, "no") == 0 ? base_error_set(error, GLEANER_E_CONFIG, "not that")
                                   : GLEANER_OK;
}

static void ask(void *arg)
{
    const char *text = arg;
    asker.status = control_ask(asker.control, answer, text, &asker.out, &asker.error);
}

static void start_asking(const char *text)
{
    served_by = 0;
    cr_assert_eq(
        sync_thread_start(&asker.thread, "asker", SYNC_PLAIN, ask, (void *)(uintptr_t)text),
        GLEANER_OK);
}

static void serve_until_answered(void)
{
    while (!sync_thread_join_until(&asker.thread, base_mono_ns() + BASE_NS_PER_MS)) {
        control_serve(asker.control, NULL);
    }
}

static void open_control(void)
{
    sync_init();
    cr_assert_eq(control_create(&asker.control), GLEANER_OK);
}

static void close_control(void)
{
    base_buffer_fini(&asker.out);
    control_destroy(&asker.control);
}

TestSuite(control, .init = open_control, .fini = close_control, .timeout = 30);

Test(control, a_request_is_done_by_the_thread_that_serves)
{
    start_asking("this");
    serve_until_answered();
    cr_assert_eq(asker.status, GLEANER_OK);
    cr_assert_str_eq(asker.out.data, "heard this");
    cr_assert_eq(served_by, sync_thread_id());
}

Test(control, an_error_comes_back_with_its_words)
{
    start_asking("no");
    serve_until_answered();
    cr_assert_eq(asker.status, GLEANER_E_CONFIG);
    cr_assert_str_eq(asker.error.message, "not that");
}

Test(control, after_the_end_nobody_is_kept_waiting)
{
    start_asking("this");
    control_close(asker.control);
    sync_thread_join(&asker.thread);
    cr_assert_eq(asker.status, GLEANER_E_CLOSED);
    cr_assert_eq(served_by, 0);
    cr_assert_not_null(strstr(asker.error.message, "stopping"));
}
