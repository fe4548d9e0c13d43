/* SPDX-License-Identifier: Apache-2.0 */
#include "victims.h"

#include <stdio.h>
#include <stdlib.h>

/* How often the fail point was met since the server started. */
static int64_t set_fail_point(const struct fixture_mongod *server, unsigned member,
                              const char *mode, const char *data)
{
    char json[320];
    bson_t reply;
    bson_iter_t iter;
    snprintf(json, sizeof(json),
             "{\"configureFailPoint\":\"failCommand\",\"mode\":%s,\"data\":{\"failCommands\":"
             "[\"find\"],%s}}",
             mode, data);
    bool set = fixture_mongod_command(server, member, "admin", json, &reply) &&
               bson_iter_init_find(&iter, &reply, "count");
    BASE_ASSERT(set);
    int64_t count = bson_iter_as_int64(&iter);
    bson_destroy(&reply);
    return count;
}

/* -1: it never failed. Else milliseconds until its next success; what never came counts until the
 * end of the round. */
static double back_after_failure(const struct load_thread *own)
{
    for (size_t i = 0; i < own->count; i++) {
        if (!own->samples[i].failed) {
            continue;
        }
        uint64_t failed_ns = own->samples[i].began_ns + own->samples[i].took_ns;
        uint64_t until_ns = failed_ns;
        for (size_t j = i + 1; j < own->count; j++) {
            until_ns = own->samples[j].began_ns + own->samples[j].took_ns;
            if (!own->samples[j].failed) {
                break;
            }
        }
        return (double)(until_ns - failed_ns) / 1e6;
    }
    return -1;
}

/* The server is asked how many operations it met: of two that come to the fail point together,
 * {times: 1} of mongod 6.0 now and then fails both. */
static void count_round(const struct load *load, uint64_t from_ns, uint64_t met,
                        struct victims *victims)
{
    double longest[LOAD_THREADS_MAX], *times;
    uint64_t failed, found = 0;
    (void)load_times(load, 0, BASE_NO_DEADLINE, &times, &failed);
    free(times);
    load_longest(load, from_ns, BASE_NO_DEADLINE, longest);
    for (uint32_t i = 0; i < load->threads; i++) {
        double back_ms = back_after_failure(&load->own[i]);
        if (found < met && back_ms >= 0 &&
            victims->met + found < BASE_ARRAY_LEN(victims->back_ms)) {
            victims->back_ms[victims->met + found] = back_ms;
            found++;
        } else {
            victims->longest_ms[victims->count++] = longest[i];
        }
    }
    BASE_ASSERT(failed >= met); /* who was met was a client of ours */
    victims->failed += failed - met;
    victims->met += found;
}

void victims_round(struct load *load, const struct fixture_mongod *server, unsigned member,
                   const char *data, struct victims *victims)
{
    int64_t before = 0, after = 0;
    load_start(load);
    load_sleep_ms(VICTIMS_SETTLE_MS);
    uint64_t from_ns = base_mono_ns();
    if (server != NULL) {
        before = set_fail_point(server, member, "{\"times\":1}", data);
    }
    load_sleep_ms(VICTIMS_WATCH_MS);
    load_stop(load);
    if (server != NULL) {
        after = set_fail_point(server, member, "\"off\"", data);
        BASE_ASSERT(after > before); /* else nothing was met and the figure says nothing */
    }
    count_round(load, from_ns, (uint64_t)(after - before), victims);
    load_free(load);
}

double victims_p99(struct victims *victims)
{
    load_sort(victims->longest_ms, victims->count);
    return load_percentile(victims->longest_ms, victims->count, 99);
}

void victims_print_header(void)
{
    printf("the others: failed, and the longest operation of each in ms; the victims: ms until "
           "their next success\n"
           "                       met  failed       p50       p99       max  over %d ms  victim "
           "p50   max\n",
           VICTIMS_BAR_MS);
}

void victims_print(const char *who, struct victims *victims, const char *verdict)
{
    double p99 = victims_p99(victims);
    size_t stalled = 0;
    for (size_t i = 0; i < victims->count; i++) {
        stalled += victims->longest_ms[i] > VICTIMS_BAR_MS;
    }
    load_sort(victims->back_ms, victims->met);
    printf("%-22s %4zu  %6llu  %8.1f  %8.1f  %8.1f  %3zu of %3zu  %8.1f  %8.1f  %s\n", who,
           victims->met, (unsigned long long)victims->failed,
           load_percentile(victims->longest_ms, victims->count, 50), p99,
           victims->longest_ms[victims->count - 1], stalled, victims->count,
           load_percentile(victims->back_ms, victims->met, 50),
           load_percentile(victims->back_ms, victims->met, 100), verdict);
}

bool victims_is_met(struct victims *ours, struct victims *quiet)
{
    double quiet_ms = victims_p99(quiet);
    double bar_ms = quiet_ms > VICTIMS_BAR_MS ? quiet_ms : VICTIMS_BAR_MS;
    return ours->failed == 0 && victims_p99(ours) <= bar_ms;
}
