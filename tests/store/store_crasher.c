/* SPDX-License-Identifier: Apache-2.0 */
/* The program that test_sqlite_crash.c kills: works through a tree of jobs and writes the number of
 * each to standard output after its settle was acknowledged. Job n gives documents "n-0", "n-1",
 * "n-2" and links to jobs 3n+1, 3n+2, 3n+3. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct base_error error;

static void must(enum gleaner_status status)
{
    if (status != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
}

static struct store_job job_of(uint64_t n, char url[48])
{
    int len = snprintf(url, 48, "http://a/%llu", (unsigned long long)n);
    return (struct store_job){.key = base_hash64(url, (size_t)len),
                              .url = url,
                              .host = "http://a",
                              .type = "page",
                              .via = ""};
}

static void work_on(struct store_queue *queue, const struct store_job *job)
{
    static uint8_t bson[9000] = {0x28, 0x23, 0, 0, 0x05, 't', 0, 0x1b, 0x23};
    uint64_t n = strtoull(strrchr(job->url, '/') + 1, NULL, 10);
    char urls[3][48], key[32];
    struct store_job links[3];
    struct store_document documents[3];
    struct store_settled settled;
    for (uint64_t i = 0; i < 3; i++) {
        links[i] = job_of(3 * n + 1 + i, urls[i]);
        int len =
            snprintf(key, sizeof key, "%llu-%llu", (unsigned long long)n, (unsigned long long)i);
        documents[i] =
            (struct store_document){.collection = "pages", .bson = bson, .bson_len = sizeof bson};
        store_document_id("pages", key, (size_t)len, documents[i].id);
    }
    const struct store_outcome done = {
        .key = job->key, .token = job->token, .kind = STORE_DONE, .error_class = "", .reason = ""};
    const struct store_settlement settlement = {.documents = documents,
                                                .document_count = 3,
                                                .links = links,
                                                .link_count = 3,
                                                .outcomes = &done,
                                                .outcome_count = 1};
    must(store_settle(queue, &settlement, &settled, &error));
    dprintf(STDOUT_FILENO, "%llu\n", (unsigned long long)n);
}

int main(int argc, char **argv)
{
    struct store *store;
    struct store_queue *queue;
    struct store_jobs jobs = {0};
    char url[48];
    if (argc != 2) {
        return 2;
    }
    const struct store_sqlite_options options = {.directory = argv[1], .durable = true};
    must(store_sqlite_open(&options, &store, &error));
    must(store_queue_open(store, "crawl/crash", &queue, &error));
    must(store_release_owner(queue, "crasher", NULL, &error));
    struct store_job root = job_of(0, url);
    must(store_enqueue(queue, &root, 1, NULL, &error));
    const struct store_claim how = {.max_jobs = 4, .lease_ms = 600000, .owner = "crasher"};
    for (;;) {
        must(store_claim(queue, &how, &jobs, &error));
        for (size_t i = 0; i < jobs.count; i++) {
            work_on(queue, &jobs.jobs[i]);
        }
    }
}
