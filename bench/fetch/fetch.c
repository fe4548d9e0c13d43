/* SPDX-License-Identifier: Apache-2.0 */
/* What does the engine cost per page?
 *
 * bench_fetch URLS [CONNECTIONS [ROUNDS]]: fetch every URL of the file (one a line) through the
 * engine, take the results on another thread, drop them. Prints pages/s and CPU ms a page. Without
 * a file it says how to use it. The floor to compare with is a bare libcurl multi loop over the
 * same list. */
#include "fetch.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct list {
    char **urls;
    size_t count;
};

static bool read_list(const char *path, struct list *out)
{
    char *line = NULL;
    size_t size = 0, cap = 0;
    ssize_t len;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    while ((len = getline(&line, &size, file)) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (out->count == cap) {
            cap = cap == 0 ? 1024 : cap * 2;
            out->urls = realloc(out->urls, cap * sizeof(char *));
        }
        out->urls[out->count++] = strdup(line);
    }
    free(line);
    fclose(file);
    return out->count > 0;
}

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

struct tally {
    size_t ok, failed;
    uint64_t bytes;
    char reason[200];
};

static void take_all(struct fetch_engine *engine, size_t count, struct tally *tally)
{
    for (size_t i = 0; i < count; i++) {
        struct fetch_result *result;
        if (fetch_next(engine, BASE_NO_DEADLINE, &result) != GLEANER_OK) {
            return;
        }
        if (result->fetch_class == FETCH_OK) {
            tally->ok++;
        } else if (tally->failed++ == 0) {
            memcpy(tally->reason, result->reason, sizeof(tally->reason));
        }
        tally->bytes += result->body_len;
        fetch_result_free(&result);
    }
}

static int run_round(struct fetch_engine *engine, const struct list *list)
{
    struct tally tally = {0};
    double cpu = cpu_seconds();
    uint64_t from = base_mono_ns();
    for (size_t i = 0; i < list->count; i++) {
        struct fetch_request request = {.url = list->urls[i], .follow_redirects = true};
        if (fetch_submit(engine, &request) != GLEANER_OK) {
            return 1;
        }
    }
    take_all(engine, list->count, &tally);
    double wall = (double)(base_mono_ns() - from) / 1e9;
    cpu = cpu_seconds() - cpu;
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    printf("pages=%zu failed=%zu mb=%.1f wall_s=%.3f pages_per_s=%.0f cpu_ms_per_page=%.4f "
           "rss_mb=%ld %s\n",
           tally.ok, tally.failed, (double)tally.bytes / 1e6, wall, (double)list->count / wall,
           cpu * 1e3 / (double)list->count, r.ru_maxrss / 1024, tally.reason);
    return tally.failed > 0;
}

int main(int argc, char **argv)
{
    static const char *const loopback[] = {"127.0.0.0/8", "::1"};
    struct fetch_options options;
    struct fetch_engine *engine;
    struct base_error error;
    struct list list = {0};
    if (argc < 2 || !read_list(argv[1], &list)) {
        fprintf(stderr, "usage: bench_fetch URLS [CONNECTIONS [ROUNDS]]   (one URL a line)\n");
        return argc < 2 ? 0 : 2;
    }
    sync_init();
    fetch_options_init(&options);
    options.max_transfers = options.max_per_host = argc > 2 ? (uint32_t)atoi(argv[2]) : 16;
    options.allow_net = loopback;
    options.allow_net_count = 2;
    if (fetch_engine_start(&options, &engine, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int rc = 0;
    for (int i = 0, rounds = argc > 3 ? atoi(argv[3]) : 3; i < rounds && rc == 0; i++) {
        rc = run_round(engine, &list);
    }
    fetch_engine_stop(&engine);
    return rc;
}
