/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does our process keep in memory for a frontier of a million URLs?
 *
 * bench_frontier [embedded|none|mongodb] [URLS]: pages are claimed and settled through the doors of
 * queue and store, as workers do: 100 a batch, each with 10 links that are new and 30 that were
 * seen (on the page before, or on every page of the site). Prints resident memory and rates when
 * the frontier has 10,000, 100,000, 1,000,000 URLs. Ends with 1 when it grew by more than 16 MB
 * from the first to the last, except for `none`, which keeps the frontier itself in memory. */
#include "gleaner/db.h"
#include "mongod.h"
#include "queue.h"
#include "store.h"
#include "sync.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGES = 100, NEW_LINKS = 10, OLD_LINKS = 30, HOSTS = 500, GROWTH_MB = 16 };

static struct base_error error;

/* One place to work on. */
struct frontier {
    struct fixture_mongod *server; /* of mongodb */
    struct gleaner_db *db;
    char directory[64]; /* of the others */
    struct store *store;
    struct store_queue *jobs;
    struct queue *queue;
};

static void must(enum gleaner_status status, const char *what)
{
    if (status != GLEANER_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, gleaner_status_name(status), error.message);
        exit(2);
    }
}

/* ---- measuring ---- */

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

/* ---- the place ---- */

static void open_mongodb(struct frontier *f)
{
    struct gleaner_db_options options;
    struct gleaner_error why;
    f->server = fixture_mongod_start(NULL);
    if (f->server == NULL) {
        exit(fixture_mongod_skip_code());
    }
    gleaner_db_options_init(&options);
    options.uri = fixture_mongod_uri(f->server);
    must(gleaner_db_open(&options, &f->db, &why), "gleaner_db_open");
    must(gleaner_db_wait_up(f->db, 20000), "gleaner_db_wait_up");
    must(store_mongo_open(&(struct store_mongo_options){.db = f->db}, &f->store, &error), "store");
}

static void open_embedded(struct frontier *f, bool in_memory)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(f->directory, sizeof f->directory, "%s/frontier.XXXXXX",
                   base != NULL ? base : "/tmp");
    if (mkdtemp(f->directory) == NULL) {
        perror(f->directory);
        exit(2);
    }
    const struct store_sqlite_options options = {
        .directory = f->directory, .durable = true, .in_memory = in_memory};
    must(store_sqlite_open(&options, &f->store, &error), "store");
}

static void open_frontier(struct frontier *f, const char *kind)
{
    static const char *const seed = "http://host-0.example/";
    if (strcmp(kind, "mongodb") == 0) {
        open_mongodb(f);
    } else {
        open_embedded(f, strcmp(kind, "none") == 0);
    }
    must(store_queue_open(f->store, "crawl/bench", &f->jobs, &error), "store_queue_open");
    const struct queue_options options = {.store = f->jobs, .owner = "bench"};
    must(queue_create(&options, &f->queue), "queue_create");
    must(queue_seed(f->queue, &seed, 1, "page", NULL, &error), "queue_seed");
}

static void close_frontier(struct frontier *f)
{
    queue_destroy(&f->queue);
    store_queue_close(&f->jobs);
    store_close(&f->store);
    if (f->db != NULL) {
        (void)gleaner_db_close(&f->db, 2000);
        fixture_mongod_end(&f->server);
    } else {
        char command[100];
        (void)snprintf(command, sizeof command, "rm -rf '%s'", f->directory);
        (void)!system(command);
    }
}

/* ---- the work ---- */

static void add_link(struct frontier *f, struct queue_links *links, uint64_t number)
{
    char url[120];
    int len =
        snprintf(url, sizeof url, "http://host-%llu.example/library/chapter-%llu/page-%llu.html",
                 (unsigned long long)(number % HOSTS), (unsigned long long)(number / 1000),
                 (unsigned long long)number);
    (void)queue_links_add(f->queue, links, url, (size_t)len, 1, "");
}

/* Claim a batch of pages, find their links, settle it. Returns how many URLs came in. */
static uint64_t work_batch(struct frontier *f, uint64_t known, struct queue_links *links)
{
    static struct store_jobs claimed;
    struct store_outcome outcomes[PAGES];
    struct store_settled settled = {0};
    must(queue_claim(f->queue, PAGES, NULL, &claimed, &error), "claim");
    uint64_t next = known;
    for (size_t i = 0; i < claimed.count; i++) {
        const struct store_job *job = &claimed.jobs[i];
        for (uint64_t j = 0; j < OLD_LINKS; j++) {
            add_link(f, links, j % 2 == 0 || known <= j ? j : known - j);
        }
        for (uint64_t j = 0; j < NEW_LINKS; j++) {
            add_link(f, links, next++);
        }
        outcomes[i] = (struct store_outcome){
            .key = job->key, .token = job->token, .error_class = "", .reason = ""};
        memcpy(outcomes[i].id, job->id, sizeof outcomes[i].id);
    }
    const struct store_settlement settlement = {.links = links->jobs,
                                                .link_count = links->count,
                                                .outcomes = outcomes,
                                                .outcome_count = claimed.count};
    must(queue_settle(f->queue, &settlement, &settled, &error), "settle");
    queue_links_reset(links);
    if (settled.outcomes_stale > 0 || (claimed.count > 0 && settled.links_new == 0)) {
        fprintf(stderr, "a batch of %zu pages brought %llu links, %llu outcomes were stale\n",
                claimed.count, (unsigned long long)settled.links_new,
                (unsigned long long)settled.outcomes_stale);
        exit(2);
    }
    return settled.links_new;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "embedded";
    const uint64_t most = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    struct frontier f = {0};
    struct queue_links links = {0};
    double first_mb = 0, first_peak_mb = 0;
    uint64_t first = 0, known = 0, pages = 0;
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20); /* as the program does (main.c) */
    sync_init();
    open_frontier(&f, kind);
    printf("frontier: %s; batches of %d pages, %d new links and %d seen ones each\n",
           store_kind(f.store), PAGES, NEW_LINKS, OLD_LINKS);
    for (uint64_t goal = 10000; known < most; goal *= 10) {
        uint64_t from_ns = base_mono_ns(), from = known;
        goal = goal < most ? goal : most;
        while (known < goal) {
            struct queue_stats stats;
            known += work_batch(&f, known, &links);
            queue_read_stats(f.queue, &stats);
            pages = stats.settled;
        }
        double seconds = (double)(base_mono_ns() - from_ns) / 1e9, mb = status_mb("VmRSS:");
        double peak_mb = status_mb("VmHWM:");
        printf("%9llu URLs, %6llu pages settled: RSS %.1f MB (peak %.1f); %.0f URLs/s\n",
               (unsigned long long)known, (unsigned long long)pages, mb, peak_mb,
               (double)(known - from) / seconds);
        (void)fflush(stdout);
        first_mb = first == 0 ? mb : first_mb;
        first_peak_mb = first == 0 ? peak_mb : first_peak_mb;
        first = first == 0 ? known : first;
    }
    double grown = status_mb("VmRSS:") - first_mb, peak = status_mb("VmHWM:") - first_peak_mb;
    printf("grown by %.1f MB (peak %.1f MB) from %llu to %llu URLs: %.1f bytes a URL\n", grown,
           peak, (unsigned long long)first, (unsigned long long)known,
           grown * 1048576 / (double)(known > first ? known - first : 1));
    queue_links_fini(&links);
    close_frontier(&f);
    return strcmp(kind, "none") == 0 || (grown <= GROWTH_MB && peak <= GROWTH_MB) ? 0 : 1;
}
