/* SPDX-License-Identifier: Apache-2.0 */
/* 10,000 hosts that send one byte a second: do the other jobs keep their rate, and what memory does
 * the process take?
 *
 * bench_slow_hosts [GLEANER [HOSTS [ROUNDS [DELAY_MS]]]] (default: the environment's GLEANER):
 * `gleaner crawl --threads 8` of a fast site of 20 hosts, without and with HOSTS slow ones in the
 * same crawl, interleaved. The fast pages begin when all slow transfers run (a gate at the server).
 * Prints the rate of the fast pages as the server sees it, and the largest resident memory. Each
 * fast host is asked each DELAY_MS (default 40): a rate that the machine has room for, so that what
 * is measured is whether somebody waits, not whether two processors are enough for everything. 0 =
 * as fast as the machine goes. Ends with 1 below 95 % or over 600 MB. */
#include "loop_server.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAST_HOSTS 20
#define PAGES_EACH 200
#define WAIT_S 120
#define ROUNDS_MAX 99

struct run_result {
    double rate, memory_mb;
    uint32_t slow;
};

static char *make_url(unsigned net, unsigned host, unsigned port, const char *path)
{
    char *url = NULL;
    return asprintf(&url, "http://127.%u.%u.%u:%u/%s", net, host / 250, host % 250 + 1, port,
                    path) < 0
               ? NULL
               : url;
}

static pid_t start(const char *gleaner, const struct loop_server *server, uint32_t slow_hosts,
                   const char *delay)
{
    const char *fixed[] = {gleaner,       "crawl",         "--to",
                           "none",        "--threads",     "8",
                           "--no-robots", "--concurrency", "10400",
                           "--allow-net", "127.0.0.0/8",   "--no-progress",
                           "--delay",     delay,           "--log-level",
                           "error",       "--drain-ms",    "0"};
    size_t count = sizeof fixed / sizeof fixed[0], all = count + FAST_HOSTS + slow_hosts + 1;
    char **arguments = calloc(all, sizeof *arguments);
    if (arguments == NULL) {
        exit(2);
    }
    memcpy(arguments, fixed, sizeof fixed);
    for (unsigned i = 0; i < FAST_HOSTS; i++) {
        arguments[count++] = make_url(5, i, server->port, "gate");
    }
    for (unsigned i = 0; i < slow_hosts; i++) {
        arguments[count++] = make_url(6, i, server->port, "slow");
    }
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(gleaner, arguments);
        _exit(127);
    }
    for (size_t i = sizeof fixed / sizeof fixed[0]; i < count; i++) {
        free(arguments[i]);
    }
    free(arguments);
    return pid;
}

/* Fast requests in the log, and the time from the first to the last behind the gate. */
static size_t count_fast(const struct loop_server *server, double *seconds)
{
    const struct loop_entry *log = loop_server_log(server);
    size_t fast = 0, count = loop_server_count(server);
    uint64_t first = UINT64_MAX, last = 0;
    for (size_t i = 0; i < count; i++) {
        if (log[i].kind == LOOP_PAGE) {
            fast++;
            first = log[i].ns < first ? log[i].ns : first;
            last = log[i].ns > last ? log[i].ns : last;
        }
    }
    *seconds = fast > 1 ? (double)(last - first) / 1e9 : 0;
    return fast;
}

static size_t count_gates(const struct loop_server *server)
{
    const struct loop_entry *log = loop_server_log(server);
    size_t gates = 0, count = loop_server_count(server);
    for (size_t i = 0; i < count; i++) {
        gates += log[i].kind == LOOP_GATE;
    }
    return gates;
}

static struct run_result run(const char *gleaner, uint32_t slow_hosts, const char *delay)
{
    struct run_result r = {0};
    struct loop_server server;
    struct rusage usage;
    double seconds = 0;
    if (!loop_server_start(&server, PAGES_EACH)) {
        exit(2);
    }
    pid_t pid = start(gleaner, &server, slow_hosts, delay);
    for (int i = 0; i < WAIT_S * 100 && waitpid(pid, NULL, WNOHANG) == 0 &&
                    (loop_server_slow(&server) < slow_hosts || count_gates(&server) < FAST_HOSTS);
         i++) {
        usleep(10000);
    }
    r.slow = loop_server_slow(&server);
    loop_server_open_gate(&server, true);
    size_t fast = 0, wanted = (size_t)FAST_HOSTS * (PAGES_EACH - 1);
    for (int i = 0; i < WAIT_S * 100 && fast < wanted; i++) {
        usleep(10000);
        fast = count_fast(&server, &seconds);
    }
    kill(pid, SIGTERM);
    wait4(pid, NULL, 0, &usage);
    r.memory_mb = (double)usage.ru_maxrss / 1024;
    r.rate = seconds > 0 ? (double)fast / seconds : 0;
    loop_server_end(&server);
    return r;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : getenv("GLEANER");
    if (program == NULL) {
        fprintf(stderr, "usage: %s GLEANER [HOSTS [ROUNDS [DELAY_MS]]]\n", argv[0]);
        return 2;
    }
    uint32_t hosts = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10000;
    unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 3;
    const char *delay = argc > 4 ? argv[4] : "40";
    double ratios[ROUNDS_MAX], memory = 0;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    for (unsigned long i = 0; i < rounds; i++) {
        struct run_result without = run(program, 0, delay), with = run(program, hosts, delay);
        ratios[i] = without.rate > 0 ? with.rate / without.rate : 0;
        memory = with.memory_mb > memory ? with.memory_mb : memory;
        printf("round %lu: fast pages %.0f/s (%.0f MB) alone, %.0f/s (%.0f MB) beside %u slow "
               "transfers\n",
               i + 1, without.rate, without.memory_mb, with.rate, with.memory_mb, with.slow);
        if (with.slow < hosts) {
            return 2;
        }
    }
    qsort(ratios, rounds, sizeof *ratios, compare);
    bool is_good = ratios[rounds / 2] >= 0.95 && memory <= 600;
    printf("others keep %.1f %% median, %.1f..%.1f (bar 95); RSS %.0f MB (bar 600): %s\n",
           100 * ratios[rounds / 2], 100 * ratios[0], 100 * ratios[rounds - 1], memory,
           is_good ? "met" : "MISSED");
    return is_good ? 0 : 1;
}
