/* SPDX-License-Identifier: Apache-2.0 */
/* A host answers 429 with Retry-After 3 s: is it left alone, and do the others keep their rate?
 *
 * bench_throttled [ROUNDS [GLEANER]]: 20 hosts, a request each 10 ms to each, by the fetch engine
 * or, with a program named, by a whole `gleaner crawl` with its frontier and workers. Rounds with
 * and without the refusal, interleaved; prints requests to the refusing host before its time, its
 * first one after it, and the rate of the other 19 against that of the rounds without (median).
 * Ends with 1 below the bar: 0 requests, 95 %. */
#include "fetch.h"
#include "loop_server.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_HOST UINT32_C(0x7f030001) /* 127.3.0.1 */
#define HOSTS 20
#define PER_HOST 450
#define RETRY_AFTER_NS (3 * BASE_NS_PER_S)
#define ROUNDS_MAX 99

struct round_result {
    double rate; /* of the others */
    size_t early;
    double first_after_s;
};

static void submit(struct fetch_engine *engine, uint16_t port, uint32_t host, const char *path)
{
    char url[80];
    snprintf(url, sizeof url, "http://127.3.%u.%u:%u%s", (host >> 8) & 255, host & 255, port, path);
    struct fetch_request request = {.url = url};
    if (fetch_submit(engine, &request) != GLEANER_OK) {
        exit(2);
    }
}

static struct round_result judge(const struct loop_server *server, uint32_t refusing)
{
    struct round_result r = {0};
    const struct loop_entry *log = loop_server_log(server);
    uint64_t refused_ns = 0, first_ns = UINT64_MAX, last_ns = 0;
    size_t others = 0, count = loop_server_count(server);
    for (size_t i = 0; i < count; i++) {
        if (log[i].address != refusing) {
            others++;
            first_ns = log[i].ns < first_ns ? log[i].ns : first_ns;
            last_ns = log[i].ns > last_ns ? log[i].ns : last_ns;
        } else if (refused_ns == 0) {
            refused_ns = log[i].ns;
        } else {
            double after_s = (double)(log[i].ns - refused_ns) / 1e9;
            r.early += log[i].ns < refused_ns + RETRY_AFTER_NS;
            r.first_after_s = r.first_after_s > 0 ? r.first_after_s : after_s;
        }
    }
    r.rate = (double)others / ((double)(last_ns - first_ns) / 1e9);
    return r;
}

/* Each round has addresses of its own: a refusal is given once to each. */
static struct round_result run(struct loop_server *server, uint32_t round, bool is_refusing)
{
    static const char *const loopback[] = {"127.0.0.0/8"};
    struct fetch_options options;
    struct fetch_engine *engine;
    struct base_error error;
    uint32_t first = FIRST_HOST + round * 256;
    fetch_options_init(&options);
    options.delay_ms = 10;
    options.use_robots = false;
    options.allow_net = loopback;
    options.allow_net_count = 1;
    if (fetch_engine_start(&options, &engine, &error) != GLEANER_OK) {
        exit(2);
    }
    loop_server_clear(server);
    for (int i = 0; i < PER_HOST; i++) {
        for (uint32_t host = 0; host < HOSTS; host++) {
            submit(engine, server->port, first + host,
                   host == 0 && is_refusing ? "/throttle" : "/p/9");
        }
    }
    for (int i = 0; i < PER_HOST * HOSTS; i++) {
        struct fetch_result *result;
        if (fetch_next(engine, BASE_NO_DEADLINE, &result) != GLEANER_OK) {
            exit(2);
        }
        fetch_result_free(&result);
    }
    fetch_engine_stop(&engine);
    return judge(server, first);
}

/* The same by a process: sites of PER_HOST pages that are found by their links. */
static struct round_result run_process(const char *gleaner, struct loop_server *server,
                                       uint32_t round, bool is_refusing)
{
    char urls[HOSTS][80];
    const char *arguments[32] = {gleaner,       "crawl",         "--to",        "none",
                                 "--no-robots", "--allow-net",   "127.0.0.0/8", "--delay",
                                 "10",          "--no-progress", "--log-level", "error"};
    size_t count = 12;
    uint32_t first = FIRST_HOST + round * 256;
    for (uint32_t i = 0; i < HOSTS; i++) {
        uint32_t host = first + i;
        (void)snprintf(urls[i], sizeof urls[i], "http://127.3.%u.%u:%u%s", (host >> 8) & 255,
                       host & 255, server->port, i == 0 && is_refusing ? "/throttle" : "/p/0");
    }
    loop_server_clear(server);
    pid_t pid = fork();
    if (pid == 0) {
        const char *all[32 + HOSTS + 1] = {NULL};
        memcpy(all, arguments, sizeof arguments);
        for (size_t i = 0; i < HOSTS; i++) {
            all[count++] = urls[i];
        }
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(gleaner, (char **)(uintptr_t)all);
        _exit(127);
    }
    int code = 0;
    if (pid < 0 || waitpid(pid, &code, 0) != pid || code != 0) {
        fprintf(stderr, "%s crawl ended with %d\n", gleaner, code);
        exit(2);
    }
    return judge(server, first);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3;
    const char *gleaner = argc > 2 ? argv[2] : NULL;
    double ratios[ROUNDS_MAX];
    size_t early = 0;
    struct loop_server server;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    base_log_set_level(BASE_LOG_WARN);
    sync_init();
    if (!loop_server_start(&server, gleaner != NULL ? PER_HOST : 0)) {
        return 2;
    }
    for (unsigned long i = 0; i < rounds; i++) {
        struct round_result two[2];
        for (uint32_t j = 0; j < 2; j++) {
            uint32_t round = (uint32_t)i * 2 + j;
            two[j] = gleaner != NULL ? run_process(gleaner, &server, round, j == 1)
                                     : run(&server, round, j == 1);
        }
        struct round_result without = two[0], with = two[1];
        ratios[i] = with.rate / without.rate;
        early += with.early;
        printf("round %lu: others %.0f/s without, %.0f/s with a refusing host; it was asked %zu "
               "times too early, then after %.3f s\n",
               i + 1, without.rate, with.rate, with.early, with.first_after_s);
    }
    loop_server_end(&server);
    qsort(ratios, rounds, sizeof *ratios, compare);
    bool is_good = early == 0 && ratios[rounds / 2] >= 0.95;
    printf("too_early=%zu (bar 0) others_keep=%.1f %% median, %.1f..%.1f (bar 95): %s\n", early,
           100 * ratios[rounds / 2], 100 * ratios[0], 100 * ratios[rounds - 1],
           is_good ? "met" : "MISSED");
    return is_good ? 0 : 1;
}
