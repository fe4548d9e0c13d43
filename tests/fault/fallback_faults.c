/* SPDX-License-Identifier: Apache-2.0 */
/* The primary is dead at the start, comes, dies and comes again; a fallback serves meanwhile
 * (scenario 8). Each acknowledged write has to be in the server that its client named, and in no
 * other: whoever says primary while it is connected elsewhere is found out by that. A change of
 * tier takes two failed rounds, each up to a server selection (2 s) and its back-off: hence the
 * bar. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 10, WRITERS = 20, LIMIT_MS = 60000, STAY_MS = 1500, NOTICE_BAR_MS = 5000 };

struct sides {
    uint64_t primary, fallback; /* acknowledged through */
    uint64_t lost, elsewhere;   /* not where its client was; (also) in the other one */
};

static struct gleaner_db_state state_of(struct gleaner_db *db)
{
    struct gleaner_db_state state = {.size = sizeof state};
    gleaner_db_read_state(db, &state);
    return state;
}

/* Milliseconds until the tier in use is this one; -1 after LIMIT_MS. */
static double until_tier(struct gleaner_db *db, const char *tier)
{
    uint64_t from_ns = base_mono_ns();
    while (strcmp(state_of(db).tier, tier) != 0) {
        if (base_mono_ns() - from_ns > LIMIT_MS * BASE_NS_PER_MS) {
            return -1;
        }
        rig_sleep_ms(1);
    }
    return (double)(base_mono_ns() - from_ns) / 1e6;
}

static struct sides look(const struct rig_writers *writers, const char *primary,
                         const char *fallback)
{
    struct sides sides = {0};
    uint8_t *on_primary[RIG_WRITERS_MAX], *on_fallback[RIG_WRITERS_MAX];
    rig_write_found(writers, primary, on_primary);
    rig_write_found(writers, fallback, on_fallback);
    for (uint32_t i = 0; i < writers->threads; i++) {
        for (size_t k = 0; k < writers->own[i].count; k++) {
            const struct rig_write *write = &writers->own[i].writes[k];
            if (!write->acknowledged) {
                continue;
            }
            uint8_t here = write->on_fallback ? on_fallback[i][k] : on_primary[i][k];
            uint8_t there = write->on_fallback ? on_primary[i][k] : on_fallback[i][k];
            sides.fallback += write->on_fallback;
            sides.primary += !write->on_fallback;
            sides.lost += here == 0;
            /* a first try whose acknowledgement was lost with its server may be there as well */
            sides.elsewhere += here == 0 && there > 0;
        }
        free(on_primary[i]);
        free(on_fallback[i]);
    }
    return sides;
}

static bool there_and_back(struct gleaner_db *db, struct fixture_mongod *primary,
                           struct rig_writers *writers)
{
    double away_ms, back_ms;
    rig_sleep_ms(STAY_MS);
    BASE_ASSERT(fixture_mongod_restart(primary, 0));
    back_ms = until_tier(db, "primary");
    bool all = rig_write_all_back(writers, LIMIT_MS);
    rig_sleep_ms(STAY_MS);
    fixture_mongod_kill(primary, 0);
    away_ms = until_tier(db, "fallback");
    all = rig_write_all_back(writers, LIMIT_MS) && all;
    printf("back on the primary %.0f ms after its return; on the fallback %.0f ms after its death, "
           "bar %d ms: %s\n",
           back_ms, away_ms, NOTICE_BAR_MS,
           rig_verdict(all && back_ms >= 0 && away_ms >= 0 && away_ms <= NOTICE_BAR_MS));
    return all;
}

static int run_fallback(uint32_t seconds)
{
    struct fixture_mongod *primary = fixture_mongod_start(NULL);
    struct fixture_mongod *fallback = fixture_mongod_start(NULL);
    struct gleaner_db_options options;
    struct rig_pool pool;
    (void)seconds;
    BASE_ASSERT(primary != NULL && fallback != NULL);
    fixture_mongod_kill(primary, 0);
    rig_options(&options, fixture_mongod_uri(primary), CLIENTS);
    options.fallback_uri = fixture_mongod_uri(fallback);
    options.reconnect_limit = 100; /* two outages in a row are more than ten attempts */
    rig_open_ours(&pool, &options);
    printf("primary dead at the start: tier %s, bar fallback: %s\n", state_of(pool.db).tier,
           rig_verdict(strcmp(state_of(pool.db).tier, "fallback") == 0));
    struct rig_writers writers = {.pool = &pool,
                                  .collection = "ours",
                                  .threads = WRITERS,
                                  .pause_us = 2000,
                                  .patience_ms = LIMIT_MS};
    rig_write_start(&writers);
    for (int i = 0; i < 2; i++) {
        (void)there_and_back(pool.db, primary, &writers);
    }
    rig_write_stop(&writers);
    BASE_ASSERT(fixture_mongod_restart(primary, 0));
    struct sides sides = look(&writers, fixture_mongod_uri(primary), fixture_mongod_uri(fallback));
    printf("acknowledged on the primary %llu, on the fallback %llu; not there %llu, in the other "
           "one %llu, bar 0: %s\n",
           (unsigned long long)sides.primary, (unsigned long long)sides.fallback,
           (unsigned long long)sides.lost, (unsigned long long)sides.elsewhere,
           rig_verdict(sides.lost == 0 && sides.primary > 0 && sides.fallback > 0));
    rig_write_free(&writers);
    (void)rig_close(&pool);
    fixture_mongod_end(&primary);
    fixture_mongod_end(&fallback);
    return 0;
}

static const struct rig_fault faults[] = {
    {"fallback", "primary dead at the start, comes, dies, comes: who is where (scenario 8)",
     run_fallback},
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, faults, BASE_ARRAY_LEN(faults));
}
