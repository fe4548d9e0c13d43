/* SPDX-License-Identifier: Apache-2.0 */
/* handle is called from several threads at once. */
#include "text_fixture.h"

#include <stdio.h>
#include <string.h>

TestSuite(text_threads, .init = text_setup, .fini = text_teardown, .timeout = 60);

#define THREADS 8
#define PAGES 400

struct job {
    unsigned number;
    unsigned wrong;
};

static void handle_pages(void *arg)
{
    struct job *job = arg;
    struct page_result *result = calloc(1, sizeof *result);
    for (unsigned i = 0; i < PAGES && result != NULL; i++) {
        char html[256];
        char want[64];
        snprintf(want, sizeof want, "thread %u page %u", job->number, i);
        snprintf(html, sizeof html, "<title>t</title><p>%s</p><a href=%u-%u>x</a>", want,
                 job->number, i);
        struct gleaner_page page = text_page(html, strlen(html));
        const struct page_field *text = NULL;
        if (page_host_run(text_registry, &page, result) == GLEANER_OK) {
            text = page_result_field(result, "text");
        }
        char full[80];
        snprintf(full, sizeof full, "%s\nx", want);
        job->wrong +=
            text == NULL || strcmp(text->text.data, full) != 0 || result->followed.count != 1;
    }
    if (result != NULL) {
        page_result_fini(result);
    }
    free(result);
}

Test(text_threads, eight_threads_each_get_what_their_own_pages_say)
{
    struct sync_thread *threads[THREADS];
    struct job jobs[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.number = i};
        cr_assert_eq(sync_thread_start(&threads[i], "text", SYNC_READER, handle_pages, &jobs[i]),
                     GLEANER_OK);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        sync_thread_join(&threads[i]);
        cr_expect_eq(jobs[i].wrong, 0);
    }
}
