/* SPDX-License-Identifier: Apache-2.0 */
#include "db_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 30000, FIRST_CAPACITY = 4096 };

static int exit_code;

const char *load_verdict(bool met)
{
    exit_code = met ? exit_code : 1;
    return met ? "met" : "MISSED";
}

int load_exit_code(void)
{
    return exit_code;
}

void load_sleep_ms(uint64_t ms)
{
    struct timespec duration = {.tv_sec = (time_t)(ms / 1000),
                                .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&duration, NULL);
}

/* ---- the two pools
 * ---------------------------------------------------------------------------------------- */

struct gleaner_db *load_open_ours(const struct gleaner_db_options *options)
{
    struct gleaner_error error = {0};
    struct gleaner_db *db = NULL;
    struct gleaner_client loans[LOAD_THREADS_MAX];
    BASE_ASSERT(gleaner_db_open(options, &db, &error) == GLEANER_OK);
    for (uint32_t i = 0; i < options->max_pool_size; i++) { /* all at once: so many connect */
        BASE_ASSERT(gleaner_db_check_out(db, PATIENCE_MS, &loans[i]) == GLEANER_OK);
    }
    for (uint32_t i = 0; i < options->max_pool_size; i++) {
        (void)gleaner_db_check_in(db, &loans[i], NULL);
    }
    return db;
}

static bool read_once(mongoc_client_t *client, bson_error_t *error)
{
    bson_t *find = BCON_NEW("find", BCON_UTF8("load"), "limit", BCON_INT32(1));
    bool ok = mongoc_client_command_simple(client, "test", find, NULL, NULL, error);
    bson_destroy(find);
    return ok;
}

mongoc_client_pool_t *load_open_theirs(const char *address, uint32_t clients)
{
    mongoc_uri_t *uri = mongoc_uri_new(address);
    mongoc_client_pool_t *driver = mongoc_client_pool_new(uri);
    mongoc_client_t *popped[LOAD_THREADS_MAX];
    mongoc_client_pool_max_size(driver, clients);
    for (uint32_t i = 0; i < clients; i++) {
        popped[i] = mongoc_client_pool_pop(driver);
        BASE_ASSERT(read_once(popped[i], NULL));
    }
    for (uint32_t i = 0; i < clients; i++) {
        mongoc_client_pool_push(driver, popped[i]);
    }
    mongoc_uri_destroy(uri);
    return driver;
}

/* ---- threads
 * ------------------------------------------------------------------------------------------ */

static bool operate_ours(struct gleaner_db *db)
{
    struct gleaner_client client;
    bson_error_t error;
    if (gleaner_db_check_out(db, PATIENCE_MS, &client) != GLEANER_OK) {
        return false;
    }
    bool ok = read_once(client.client, &error);
    (void)gleaner_db_check_in(db, &client, ok ? NULL : &error);
    return ok;
}

static bool operate_theirs(mongoc_client_pool_t *driver)
{
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(driver);
    bool ok = read_once(client, &error);
    mongoc_client_pool_push(driver, client);
    return ok;
}

static void keep(struct load_thread *own, struct load_sample sample)
{
    if (own->count == own->capacity) {
        own->capacity = own->capacity == 0 ? FIRST_CAPACITY : own->capacity * 2;
        own->samples = realloc(own->samples, own->capacity * sizeof(*own->samples));
        BASE_ASSERT(own->samples != NULL);
    }
    own->samples[own->count++] = sample;
}

static void load_main(void *arg)
{
    struct load_thread *own = arg;
    struct load *load = own->load;
    struct timespec pause = {.tv_nsec = (long)load->pause_us * 1000};
    while (!atomic_load_explicit(&load->must_stop, memory_order_relaxed)) {
        struct load_sample sample = {.began_ns = base_mono_ns()};
        sample.failed = !(load->db != NULL ? operate_ours(load->db) : operate_theirs(load->driver));
        sample.took_ns = base_mono_ns() - sample.began_ns;
        keep(own, sample);
        if (load->pause_us > 0 || sample.failed) {
            (void)nanosleep(&pause, NULL);
        }
    }
}

void load_start(struct load *load)
{
    atomic_store_explicit(&load->must_stop, false, memory_order_relaxed);
    for (uint32_t i = 0; i < load->threads; i++) {
        load->own[i] = (struct load_thread){.load = load};
        BASE_ASSERT(sync_thread_start(&load->own[i].thread, "load", SYNC_PLAIN, load_main,
                                      &load->own[i]) == GLEANER_OK);
    }
}

void load_stop(struct load *load)
{
    atomic_store_explicit(&load->must_stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < load->threads; i++) {
        sync_thread_join(&load->own[i].thread);
    }
}

void load_free(struct load *load)
{
    for (uint32_t i = 0; i < load->threads; i++) {
        free(load->own[i].samples);
        load->own[i] = (struct load_thread){0};
    }
}

/* ---- what they saw
 * -------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void load_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(double), compare_doubles);
}

double load_percentile(const double *sorted, size_t count, double percent)
{
    size_t at = (size_t)((double)count * percent / 100.0);
    return count == 0 ? 0.0 : sorted[at < count ? at : count - 1];
}

size_t load_times(const struct load *load, uint64_t from_ns, uint64_t to_ns, double **out,
                  uint64_t *failed)
{
    size_t most = 0, count = 0;
    for (uint32_t i = 0; i < load->threads; i++) {
        most += load->own[i].count;
    }
    *out = calloc(most + 1, sizeof(double));
    BASE_ASSERT(*out != NULL);
    *failed = 0;
    for (uint32_t i = 0; i < load->threads; i++) {
        for (size_t j = 0; j < load->own[i].count; j++) {
            const struct load_sample *sample = &load->own[i].samples[j];
            if (sample->began_ns >= from_ns && sample->began_ns < to_ns) {
                (*out)[count++] = (double)sample->took_ns / 1e6;
                *failed += sample->failed;
            }
        }
    }
    load_sort(*out, count);
    return count;
}

void load_longest(const struct load *load, uint64_t from_ns, uint64_t to_ns, double *out)
{
    for (uint32_t i = 0; i < load->threads; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < load->own[i].count; j++) {
            const struct load_sample *sample = &load->own[i].samples[j];
            double took_ms = (double)sample->took_ns / 1e6;
            if (sample->began_ns + sample->took_ns >= from_ns && sample->began_ns < to_ns &&
                took_ms > out[i]) {
                out[i] = took_ms;
            }
        }
    }
}

int load_census(const struct fixture_mongod *server, const char *prefix)
{
    bson_t reply;
    char command[512];
    int count = -1;
    snprintf(command, sizeof(command),
             "{\"aggregate\":1,\"cursor\":{},\"pipeline\":[{\"$currentOp\":{\"allUsers\":true,"
             "\"idleConnections\":true,\"localOps\":true}},{\"$match\":{\"appName\":{\"$regex\":"
             "\"^%s\"}}},{\"$group\":{\"_id\":\"$connectionId\"}},{\"$count\":\"n\"}]}",
             prefix);
    if (fixture_mongod_command(server, 0, "admin", command, &reply)) {
        bson_iter_t iter, at;
        bool found = bson_iter_init(&iter, &reply) &&
                     bson_iter_find_descendant(&iter, "cursor.firstBatch.0.n", &at);
        count = found ? (int)bson_iter_as_int64(&at) : 0;
    }
    bson_destroy(&reply);
    return count;
}
