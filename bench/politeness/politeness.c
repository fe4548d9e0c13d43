/* SPDX-License-Identifier: Apache-2.0 */
/* How small does the gap between two requests to one host get, as the server sees it?
 *
 * bench_politeness [REQUESTS [HOSTS [DELAY_MS [MAX_DELAY_MS]]]]: 10,000 requests to 100 hosts, 25
 * ms apart. Prints the smallest gap and its spread; ends with 1 when one is more than 1 ms below
 * the delay. */
#include "fetch.h"
#include "loop_server.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_HOST UINT32_C(0x7f020001) /* 127.2.0.1 */

static unsigned long number(char **argv, int argc, int at, unsigned long fallback)
{
    return argc > at ? strtoul(argv[at], NULL, 10) : fallback;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Gaps of all hosts, sorted; the count. */
static size_t read_gaps(const struct loop_server *server, size_t hosts, uint64_t *gaps)
{
    uint64_t *last = calloc(hosts, sizeof *last);
    const struct loop_entry *log = loop_server_log(server);
    size_t count = 0, logged = loop_server_count(server);
    for (size_t i = 0; last != NULL && i < logged; i++) {
        size_t host = log[i].address - FIRST_HOST;
        if (last[host] != 0) {
            gaps[count++] = log[i].ns - last[host];
        }
        last[host] = log[i].ns;
    }
    free(last);
    qsort(gaps, count, sizeof *gaps, compare);
    return count;
}

static void fetch_all(const struct fetch_options *options, uint16_t port, size_t requests,
                      size_t hosts)
{
    struct fetch_engine *engine;
    struct base_error error;
    if (fetch_engine_start(options, &engine, &error) != GLEANER_OK) {
        exit(2);
    }
    for (size_t i = 0; i < requests; i++) {
        char url[80];
        uint32_t host = FIRST_HOST + (uint32_t)(i % hosts);
        snprintf(url, sizeof url, "http://%u.%u.%u.%u:%u/p/%zu", host >> 24, (host >> 16) & 255,
                 (host >> 8) & 255, host & 255, port, i);
        struct fetch_request request = {.url = url};
        if (fetch_submit(engine, &request) != GLEANER_OK) {
            exit(2);
        }
    }
    for (size_t i = 0; i < requests; i++) {
        struct fetch_result *result;
        if (fetch_next(engine, BASE_NO_DEADLINE, &result) != GLEANER_OK) {
            exit(2);
        }
        if (result->fetch_class != FETCH_OK) {
            fprintf(stderr, "%s: %s\n", result->url, result->reason);
        }
        fetch_result_free(&result);
    }
    fetch_engine_stop(&engine);
}

int main(int argc, char **argv)
{
    static const char *const loopback[] = {"127.0.0.0/8"};
    size_t requests = number(argv, argc, 1, 10000), hosts = number(argv, argc, 2, 100);
    struct fetch_options options;
    struct loop_server server;
    fetch_options_init(&options);
    options.delay_ms = (uint32_t)number(argv, argc, 3, 25);
    options.max_delay_ms = (uint32_t)number(argv, argc, 4, 0);
    options.use_robots = false;
    options.allow_net = loopback;
    options.allow_net_count = 1;
    options.max_transfers = 256;
    sync_init();
    if (!loop_server_start(&server, 0)) {
        return 2;
    }
    uint64_t start_ns = base_mono_ns();
    fetch_all(&options, server.port, requests, hosts);
    double seconds = (double)(base_mono_ns() - start_ns) / 1e9;
    uint64_t *gaps = calloc(requests, sizeof *gaps);
    size_t count = gaps != NULL ? read_gaps(&server, hosts, gaps) : 0;
    loop_server_end(&server);
    if (count == 0) {
        return 2;
    }
    printf("requests=%zu hosts=%zu delay_ms=%u seconds=%.1f\n", count + hosts, hosts,
           options.delay_ms, seconds);
    bool is_kept = gaps[0] + BASE_NS_PER_MS >= options.delay_ms * BASE_NS_PER_MS;
    printf("gap_ms smallest=%.3f p1=%.3f median=%.3f largest=%.3f; bar: smallest >= %u: %s\n",
           (double)gaps[0] / 1e6, (double)gaps[count / 100] / 1e6, (double)gaps[count / 2] / 1e6,
           (double)gaps[count - 1] / 1e6, options.delay_ms - 1, is_kept ? "met" : "MISSED");
    free(gaps);
    return is_kept ? 0 : 1;
}
