/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a crawl, for a person or as JSON. */
#include "process_internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_bytes(uint64_t bytes, char *out, size_t out_size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < BASE_ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, out_size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void print_failures(const struct admin_figures *f)
{
    uint64_t all = admin_failures(f);
    (void)printf("failures   %llu", (unsigned long long)all);
    const char *separator = ": ";
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        if (f->workers.failures[i] > 0) {
            (void)printf("%s%s %llu", separator, fetch_class_name((enum fetch_class)i),
                         (unsigned long long)f->workers.failures[i]);
            separator = ", ";
        }
    }
    if (f->workers.module_failures > 0) {
        (void)printf("%smodule %llu", separator, (unsigned long long)f->workers.module_failures);
    }
    (void)printf("; %llu retries\n", (unsigned long long)f->workers.retries);
}

/* What a person can do about failures of a class. The rest speaks for itself, or is the site's. */
static const char *const remedies[FETCH_CLASS_COUNT] = {
    [FETCH_TIMEOUT] = "--total-timeout MS gives a slow site more time",
    [FETCH_TOO_LARGE] = "--max-body BYTES takes larger pages",
    [FETCH_REDIRECT_LOOP] = "--max-redirects N follows longer chains",
    [FETCH_ROBOTS] = "--no-robots, if the site is yours",
};

static void print_remedies(const struct admin_figures *f)
{
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        if (f->workers.failures[i] > 0 && remedies[i] != NULL) {
            (void)printf("           %s: %s\n", fetch_class_name((enum fetch_class)i), remedies[i]);
        }
    }
}

/* Why pages were given up: the first few dead letters, of earlier runs of this crawl, too. */
#define REASONS_MAX 5

static bool print_dead(void *ctx, const struct store_job_view *view)
{
    const char **label = ctx;
    (void)printf("%-10s %s: %s\n", *label, view->job->url,
                 view->reason != NULL && view->reason[0] != '\0' ? view->reason
                                                                 : view->error_class);
    *label = "";
    return true;
}

static void print_reasons(const struct work *work, uint64_t dead)
{
    struct base_error error = {0};
    const char *label = "given up";
    if (store_list_jobs(work->jobs, "dead", REASONS_MAX, print_dead, (void *)&label, &error) !=
        GLEANER_OK) {
        base_log_warn("process", "event=no_reasons error=\"%s\"", error.message);
    } else if (dead > REASONS_MAX) {
        (void)printf("           and %llu more\n", (unsigned long long)(dead - REASONS_MAX));
    }
}

static void print_place(const struct work *work)
{
    char where[1000] = "";
    char shown[1200];
    store_describe(work->documents, where, sizeof where);
    base_redact_uri(where, shown, sizeof shown);
    (void)printf("data       ");
    for (const char *at = shown; *at != '\0'; at++) {
        (void)putchar(*at);
        if (*at == '\n' && at[1] != '\0') {
            (void)printf("           ");
        }
    }
    if (shown[0] == '\0' || shown[strlen(shown) - 1] != '\n') {
        (void)putchar('\n');
    }
}

static void print_text(const struct work *work, const struct admin_figures *f,
                       const char *how_it_ended)
{
    char wire[40];
    char body[40];
    print_bytes(f->fetch.wire_bytes, wire, sizeof wire);
    print_bytes(f->fetch.body_bytes, body, sizeof body);
    (void)printf("%s\n", how_it_ended);
    (void)printf("pages      %llu in %.1f s (%.1f a second), %llu redirects\n",
                 (unsigned long long)f->workers.pages, (double)f->uptime_ms / 1000, f->pages_per_s,
                 (unsigned long long)f->workers.redirects);
    (void)printf("documents  %llu new, %llu replaced", (unsigned long long)f->workers.documents_new,
                 (unsigned long long)f->workers.documents_replaced);
    if (f->has_spool) {
        (void)printf(", %llu by way of the spool (%llu still there)",
                     (unsigned long long)f->workers.documents_spooled,
                     (unsigned long long)f->spool.documents);
    }
    (void)printf("\nbytes      %s received, %s of pages\n", wire, body);
    print_failures(f);
    print_remedies(f);
    if (f->has_jobs && f->jobs.dead > 0) {
        print_reasons(work, f->jobs.dead);
    }
    if (f->fetch.requests > 0) {
        (void)printf("latency    p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n",
                     (double)f->latency_p50_ns / 1e6, (double)f->latency_p95_ns / 1e6,
                     (double)f->latency_p99_ns / 1e6);
    }
    if (work->documents != NULL && !work->is_temporary) {
        print_place(work);
    }
}

static bool end_output(void)
{
    struct base_error error;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return true;
    }
    if (errno == EPIPE) { /* `| head` has seen enough */
        return true;
    }
    (void)base_error_set(&error, GLEANER_E_IO, "writing the summary: %s", strerror(errno));
    print_error(&error);
    return false;
}

bool summary_print(const struct work *work, const struct admin_figures *figures,
                   enum exit_code code, const char *how_it_ended)
{
    if (!work->settings->json) {
        print_text(work, figures, how_it_ended);
        return end_output();
    }
    struct base_buffer text = {0};
    admin_render_json(&work->sources, figures, &text);
    if (!text.failed && text.len > 2) {
        /* the summary is the status with two fields more */
        (void)printf("{\"exit_code\":%d,\"ended\":", (int)code);
        struct base_buffer ended = {0};
        base_buffer_append_json(&ended, how_it_ended, strlen(how_it_ended));
        (void)printf("%s,%s", ended.data, text.data + 1);
        base_buffer_fini(&ended);
    }
    base_buffer_fini(&text);
    return end_output();
}
