/* SPDX-License-Identifier: Apache-2.0 */
/* What do hostile answers cost: a bomb, 1 GB in chunks, headers without an end, 1 byte a second?
 *
 * bench_hostile [MAX_BODY_BYTES]: after some ordinary pages 1, 8 and 64 of each kind at once, at
 * the default limits but for the deadline of 4 s. Prints how the resident memory (the server is
 * another process) grew at its peak and after it, when the slots were free again, and how each
 * ended. Ends with 1 when one of a kind costs more than 4 MB at its peak, when several cost more
 * than 2 MB and each its 128 KiB of a body and 256 KiB of a read buffer (fetch_spill.c), or a slot
 * was not free by its deadline. */
#include "fetch.h"
#include "loop_server.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOSTS 8
#define AT_ONCE_MAX 64
#define DEADLINE_S 4 /* total_ms */

static double status_mb(const char *name)
{
    char line[200];
    double kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kb = strtod(line + strlen(name) + 1, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kb / 1024;
}

/* The high-water mark begins again. */
static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file != NULL) {
        (void)fputs("5", file);
        (void)fclose(file);
    }
}

static double run(struct fetch_engine *engine, uint16_t port, const char *path, int count,
                  char *how, size_t size)
{
    uint64_t start_ns = base_mono_ns();
    for (int i = 0; i < count; i++) {
        char url[80];
        snprintf(url, sizeof url, "http://127.4.0.%d:%u%s", i % HOSTS + 1, port, path);
        struct fetch_request request = {.url = url};
        if (fetch_submit(engine, &request) != GLEANER_OK) {
            exit(2);
        }
    }
    for (int i = 0; i < count; i++) {
        struct fetch_result *result;
        if (fetch_next(engine, BASE_NO_DEADLINE, &result) != GLEANER_OK) {
            exit(2);
        }
        snprintf(how, size, "%s: %.120s", fetch_class_name(result->fetch_class), result->reason);
        fetch_result_free(&result);
    }
    return (double)(base_mono_ns() - start_ns) / 1e9;
}

/* So many of a kind at once, between ordinary pages. True when it is within the bars. */
static bool measure(struct fetch_engine *engine, uint16_t port, const char *kind, int count)
{
    char how[200];
    run(engine, port, "/p/1", 64, how, sizeof how);
    double before = status_mb("VmRSS:");
    reset_peak();
    double seconds = run(engine, port, kind, count, how, sizeof how);
    double peak = status_mb("VmHWM:") - before;
    char ordinary[200];
    run(engine, port, "/p/1", 64, ordinary, sizeof ordinary);
    double kept = status_mb("VmRSS:") - before;
    printf(
        "%-9s %2d at once: peak +%.1f MB (%.2f each), kept +%.1f MB, slots free after %.2f s; %s\n",
        kind + 1, count, peak, peak / count, kept, seconds, how);
    double most = 2 + count * (128 + 256) / 1024.0;
    return peak <= (most > 4 ? most : 4) && seconds <= DEADLINE_S + 0.5;
}

int main(int argc, char **argv)
{
    static const char *const loopback[] = {"127.0.0.0/8"};
    static const char *const kinds[] = {"/bomb", "/chunked", "/headers", "/slow"};
    struct fetch_options options;
    struct fetch_engine *engine;
    struct loop_server server;
    struct base_error error;
    char how[200];
    bool is_good = true;
    fetch_options_init(&options);
    options.max_body_bytes = argc > 1 ? strtoull(argv[1], NULL, 10) : options.max_body_bytes;
    options.total_ms = DEADLINE_S * 1000;
    options.use_robots = false;
    options.allow_net = loopback;
    options.allow_net_count = 1;
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20); /* as the program does (main.c) */
    sync_init();
    if (!loop_server_make_bomb() || !loop_server_start(&server, 0) ||
        fetch_engine_start(&options, &engine, &error) != GLEANER_OK) {
        return 2;
    }
    run(engine, server.port, "/p/1", 400, how, sizeof how);
    for (size_t i = 0; i < BASE_ARRAY_LEN(kinds); i++) {
        for (int count = 1; count <= AT_ONCE_MAX; count *= 8) {
            is_good = measure(engine, server.port, kinds[i], count) && is_good;
        }
    }
    fetch_engine_stop(&engine);
    loop_server_end(&server);
    printf("bars: one of a kind <= 4 MB, 8 <= 5 MB, 64 <= 26 MB; slots free by the deadline of %d "
           "s: %s\n",
           DEADLINE_S, is_good ? "met" : "MISSED");
    return is_good ? 0 : 1;
}
