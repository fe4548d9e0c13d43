/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does the embedded store cost a crawl for each page? Batches of 100 pages of 60 KB
 * with 40 links each: enqueue, claim, settle. Prints microseconds of elapsed and of processor time,
 * and the parts of a settle measured alone (documents only, links only, outcomes only). */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PAGES 100
#define PAGE_BYTES 60000u
#define LINKS_A_PAGE 40
#define ROUNDS 12

static struct base_error error;

static void must(enum gleaner_status status)
{
    if (status != GLEANER_OK) {
        fprintf(stderr, "%s: %s\n", gleaner_status_name(status), error.message);
        exit(1);
    }
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

struct sample {
    double wall[ROUNDS], cpu[ROUNDS];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(const char *what, struct sample *sample, double per)
{
    qsort(sample->wall, ROUNDS, sizeof(double), by_value);
    qsort(sample->cpu, ROUNDS, sizeof(double), by_value);
    printf("%-34s %9.2f us elapsed (%.2f .. %.2f) %9.2f us cpu\n", what,
           sample->wall[ROUNDS / 2] / per, sample->wall[0] / per, sample->wall[ROUNDS - 1] / per,
           sample->cpu[ROUNDS / 2] / per);
}

static uint8_t *make_page(struct base_random *random)
{
    uint8_t *bson = malloc(PAGE_BYTES);
    if (bson == NULL) {
        exit(1);
    }
    /* One binary field: the store looks at the frame only. */
    uint32_t inner = PAGE_BYTES - 4 - 1 - 2 - 5 - 1;
    memset(bson, 0, PAGE_BYTES);
    memcpy(bson, &(uint32_t){PAGE_BYTES}, 4);
    memcpy(bson + 4, "\x05t\0", 3);
    memcpy(bson + 7, &inner, 4);
    for (uint32_t i = 12; i + 8 < PAGE_BYTES - 1; i += 8) {
        uint64_t r = base_random_next(random);
        memcpy(bson + i, &r, 8);
    }
    return bson;
}

static void fill_links(struct store_job *jobs, char (*urls)[96], size_t count, uint64_t from)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:8000/library/some-module-%llu.html",
                 (unsigned long long)(from + i));
        jobs[i] = (struct store_job){.key = base_hash64(urls[i], strlen(urls[i])),
                                     .url = urls[i],
                                     .host = "http://127.0.0.1:8000",
                                     .type = "page",
                                     .via = "",
                                     .depth = 3};
    }
}

static void settle(struct store_queue *queue, const struct store_settlement *settlement,
                   struct sample *sample, int round)
{
    struct store_settled settled;
    double wall = (double)base_mono_ns() / 1e3, cpu = cpu_us();
    must(store_settle(queue, settlement, &settled, &error));
    sample->wall[round] = (double)base_mono_ns() / 1e3 - wall;
    sample->cpu[round] = cpu_us() - cpu;
}

int main(int argc, char **argv)
{
    static struct store_job jobs[PAGES * LINKS_A_PAGE];
    static char urls[PAGES * LINKS_A_PAGE][96];
    static struct store_document documents[PAGES];
    static struct store_outcome outcomes[PAGES];
    static struct sample whole, only_documents, only_links, only_outcomes, claims, commits;
    char directory[] = "store_settle.XXXXXX";
    const char *where = argc > 1 ? argv[1] : mkdtemp(directory);
    bool durable = argc <= 2 || strcmp(argv[2], "off") != 0;
    struct store *store;
    struct store_queue *queue;
    struct utsname machine;
    struct base_random random;
    uint64_t next_url = 0, next_page = 0;
    base_random_init(&random, 1);
    must(store_sqlite_open(&(struct store_sqlite_options){.directory = where, .durable = durable},
                           &store, &error));
    must(store_queue_open(store, "crawl/bench", &queue, &error));
    uint8_t *page = make_page(&random);
    for (int round = 0; round < ROUNDS; round++) {
        struct store_jobs claimed = {0};
        const struct store_claim how = {.max_jobs = PAGES, .lease_ms = 60000, .owner = "bench"};
        fill_links(jobs, urls, PAGES * LINKS_A_PAGE, next_url);
        next_url += PAGES * LINKS_A_PAGE;
        struct store_settlement links = {.links = jobs, .link_count = PAGES * LINKS_A_PAGE};
        settle(queue, &links, &only_links, round);
        for (int part = 0; part < 2; part++) { /* whole settle, then documents and outcomes alone */
            double wall = (double)base_mono_ns() / 1e3, cpu = cpu_us();
            must(store_claim(queue, &how, &claimed, &error));
            claims.wall[round] = (double)base_mono_ns() / 1e3 - wall;
            claims.cpu[round] = cpu_us() - cpu;
            for (size_t i = 0; i < PAGES; i++) {
                documents[i] = (struct store_document){.collection = "pages",
                                                       .bson = page,
                                                       .bson_len = PAGE_BYTES,
                                                       .url = claimed.jobs[i].url};
                char key[24];
                int len = snprintf(key, sizeof key, "%llu", (unsigned long long)next_page++);
                store_document_id("pages", key, (size_t)len, documents[i].id);
                outcomes[i] = (struct store_outcome){.key = claimed.jobs[i].key,
                                                     .token = claimed.jobs[i].token,
                                                     .kind = STORE_DONE,
                                                     .error_class = "",
                                                     .reason = ""};
            }
            if (part == 0) {
                fill_links(jobs, urls, PAGES * LINKS_A_PAGE, next_url);
                next_url += PAGES * LINKS_A_PAGE;
                settle(queue,
                       &(struct store_settlement){.documents = documents,
                                                  .document_count = PAGES,
                                                  .links = jobs,
                                                  .link_count = PAGES * LINKS_A_PAGE,
                                                  .outcomes = outcomes,
                                                  .outcome_count = PAGES},
                       &whole, round);
            } else {
                settle(queue,
                       &(struct store_settlement){.documents = documents, .document_count = PAGES},
                       &only_documents, round);
                settle(queue,
                       &(struct store_settlement){.outcomes = outcomes, .outcome_count = PAGES},
                       &only_outcomes, round);
            }
        }
        settle(queue, &(struct store_settlement){.outcomes = outcomes, .outcome_count = 1},
               &commits, round);
        store_jobs_fini(&claimed);
    }
    uname(&machine);
    printf(
        "store_settle: %s %s, %ld processors, synchronous=%s; medians of %d rounds of %d pages\n",
        machine.sysname, machine.machine, sysconf(_SC_NPROCESSORS_ONLN), durable ? "FULL" : "OFF",
        ROUNDS, PAGES);
    show("whole settle, per page", &whole, PAGES);
    show("  60 KB document, alone", &only_documents, PAGES);
    show("  new link, alone", &only_links, PAGES * LINKS_A_PAGE);
    show("  outcome, alone", &only_outcomes, PAGES);
    show("claim, per job", &claims, PAGES);
    show("empty settle (one commit)", &commits, 1);
    store_queue_close(&queue);
    store_close(&store);
    free(page);
    if (argc <= 1) {
        char command[128];
        snprintf(command, sizeof command, "rm -rf '%s'", where);
        return system(command) == 0 ? 0 : 1;
    }
    return 0;
}
