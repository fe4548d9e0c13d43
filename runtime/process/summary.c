/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a crawl, for a person or as JSON. */
#include "process_internal.h"
#include <stdio.h>
#include <string.h>

static void print_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < BASE_ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void print_failures(FILE *out, const struct admin_figures *f)
{
    uint64_t all = admin_failures(f);
    (void)fprintf(out, "failures   %llu", (unsigned long long)all);
    const char *separator = ": ";
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        if (f->workers.failures[i] > 0) {
            (void)fprintf(out, "%s%s %llu", separator, fetch_class_name((enum fetch_class)i),
                          (unsigned long long)f->workers.failures[i]);
            separator = ", ";
        }
    }
    if (f->workers.module_failures > 0) {
        (void)fprintf(out, "%smodule %llu", separator,
                      (unsigned long long)f->workers.module_failures);
    }
    (void)fprintf(out, "; %llu retries\n", (unsigned long long)f->workers.retries);
}

/* What a person can do about failures of a class. The rest speaks for itself, or is the site's. */
static const char *const remedies[FETCH_CLASS_COUNT] = {
    [FETCH_REDIRECT] = "start at the address it leads to, or --no-same-host",
    [FETCH_TIMEOUT] = "--total-timeout MS gives a slow site more time",
    [FETCH_TOO_LARGE] = "--max-body BYTES takes larger pages",
    [FETCH_REDIRECT_LOOP] = "--max-redirects N follows longer chains",
    [FETCH_ROBOTS] = "--no-robots, if the site is yours",
};

static void print_remedies(FILE *out, const struct admin_figures *f)
{
    for (size_t i = 0; i < FETCH_CLASS_COUNT; i++) {
        if (f->workers.failures[i] > 0 && remedies[i] != NULL) {
            (void)fprintf(out, "           %s: %s\n", fetch_class_name((enum fetch_class)i),
                          remedies[i]);
        }
    }
}

/* Why pages were given up: the first few dead letters, of earlier runs of this crawl, too. */
#define REASONS_MAX 5

struct reasons {
    FILE *out;
    const char *label; /* of the first line */
};

static bool print_dead(void *ctx, const struct store_job_view *view)
{
    struct reasons *reasons = ctx;
    (void)fprintf(reasons->out, "%-10s %s: %s\n", reasons->label, view->job->url,
                  view->reason != NULL && view->reason[0] != '\0' ? view->reason
                                                                  : view->error_class);
    reasons->label = "";
    return true;
}

static void print_reasons(FILE *out, const struct work *work, uint64_t dead)
{
    struct base_error error = {0};
    struct reasons reasons = {out, "given up"};
    if (store_list_jobs(work->jobs, "dead", REASONS_MAX, print_dead, &reasons, &error) !=
        GLEANER_OK) {
        base_log_warn("process", "event=no_reasons error=\"%s\"", error.message);
    } else if (dead > REASONS_MAX) {
        (void)fprintf(out, "           and %llu more\n", (unsigned long long)(dead - REASONS_MAX));
    }
}

static void print_place(FILE *out, const struct work *work)
{
    if (settings_wants_sink(work->settings)) {
        (void)fprintf(out, "data       ");
        sinks_print_target(work, out);
        return;
    }
    char where[1000] = "";
    char shown[1200];
    store_describe(work->documents, where, sizeof where);
    base_redact_uri(where, shown, sizeof shown);
    (void)fprintf(out, "data       ");
    for (const char *at = shown; *at != '\0'; at++) {
        (void)fputc(*at, out);
        if (*at == '\n' && at[1] != '\0') {
            (void)fprintf(out, "           ");
        }
    }
    if (shown[0] == '\0' || shown[strlen(shown) - 1] != '\n') {
        (void)fputc('\n', out);
    }
}

static void print_text(FILE *out, const struct work *work, const struct admin_figures *f,
                       const char *how_it_ended)
{
    char wire[40];
    char body[40];
    print_bytes(f->fetch.wire_bytes, wire, sizeof wire);
    print_bytes(f->fetch.body_bytes, body, sizeof body);
    (void)fprintf(out, "%s\n", how_it_ended);
    (void)fprintf(out, "pages      %llu in %.1f s (%.1f a second), %llu redirects",
                  (unsigned long long)f->workers.pages, (double)f->uptime_ms / 1000, f->pages_per_s,
                  (unsigned long long)f->workers.redirects);
    if (f->workers.unchanged + f->workers.fresh > 0) {
        (void)fprintf(out, "; stored before: %llu unchanged, %llu not asked for",
                      (unsigned long long)f->workers.unchanged,
                      (unsigned long long)f->workers.fresh);
    }
    (void)fputc('\n', out);
    (void)fprintf(out, "documents  %llu new, %llu replaced",
                  (unsigned long long)f->workers.documents_new,
                  (unsigned long long)f->workers.documents_replaced);
    if (f->has_spool) {
        (void)fprintf(out, ", %llu by way of the spool (%llu still there)",
                      (unsigned long long)f->workers.documents_spooled,
                      (unsigned long long)f->spool.documents);
    }
    (void)fprintf(out, "\nbytes      %s received, %s of pages\n", wire, body);
    print_failures(out, f);
    print_remedies(out, f);
    if (f->has_jobs && f->jobs.dead > 0) {
        print_reasons(out, work, f->jobs.dead);
    }
    if (f->fetch.requests > 0) {
        (void)fprintf(out, "latency    p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n",
                      (double)f->latency_p50_ns / 1e6, (double)f->latency_p95_ns / 1e6,
                      (double)f->latency_p99_ns / 1e6);
    }
    if (work->documents != NULL && !work->is_temporary) {
        print_place(out, work);
    }
}

bool summary_print(const struct work *work, const struct admin_figures *figures,
                   enum exit_code code, const char *how_it_ended)
{
    /* Documents have standard output for themselves. */
    FILE *out = settings_target(work->settings) == TARGET_STREAM ? stderr : stdout;
    if (!work->settings->json) {
        print_text(out, work, figures, how_it_ended);
        return end_output(out, EXIT_COMPLETE) == EXIT_COMPLETE;
    }
    struct base_buffer text = {0};
    admin_render_json(&work->sources, figures, &text);
    if (!text.failed && text.len > 2) {
        /* the summary is the status with two fields more */
        (void)fprintf(out, "{\"exit_code\":%d,\"ended\":", (int)code);
        struct base_buffer ended = {0};
        base_buffer_append_json(&ended, how_it_ended, strlen(how_it_ended));
        (void)fprintf(out, "%s,%s", ended.data, text.data + 1);
        base_buffer_fini(&ended);
    }
    base_buffer_fini(&text);
    return end_output(out, EXIT_COMPLETE) == EXIT_COMPLETE;
}
