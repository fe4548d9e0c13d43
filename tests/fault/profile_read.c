/* SPDX-License-Identifier: Apache-2.0 */
/* How long does a profile read take while its server is in trouble, and what does it say?
 *
 * 8 threads read a profile that is known and one that is not, for 3 s in each fault: frozen
 * (SIGSTOP), killed, and where there are network namespaces, cut off (packets dropped). At the same
 * time one thread reads through mongoc_client_pool alone, with socketTimeoutMS and
 * serverSelectionTimeoutMS of 5 s so that it ends at all (its defaults are 300 s and 30 s).
 * Bar: every answer within 1,000 ms, marked, never "not found"; from the primary again afterwards.
 * `fault_profile_read [SECONDS]`. */
#include "base.h"
#include "gleaner/profile.h"
#include "mongod.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, BAR_MS = 1000, PLAIN_MS = 5000, BACK_WITHIN_S = 60 };

struct rig {
    struct fixture_mongod *server;
    struct gleaner_db *db;
    struct gleaner_profiles *profiles;
    mongoc_client_pool_t *plain;
    uint64_t seconds;
};

/* What one thread saw in one fault. */
struct reading {
    struct rig *rig;
    uint64_t until_ns;
    uint64_t worst_ns, reads, by_source[4], not_found, unmarked;
};

static bool is_marked(const struct gleaner_profile *profile)
{
    const char *mark = profile->source == GLEANER_PROFILE_CACHE ? "isStale" : "isFallback";
    return profile->source == GLEANER_PROFILE_PRIMARY || bson_has_field(profile->document, mark);
}

static void read_once(struct reading *reading, const char *name)
{
    struct gleaner_profile profile;
    uint64_t began_ns = base_mono_ns();
    enum gleaner_status status = gleaner_profile_read(reading->rig->profiles, name, &profile);
    uint64_t took_ns = base_mono_ns() - began_ns;
    reading->worst_ns = took_ns > reading->worst_ns ? took_ns : reading->worst_ns;
    reading->reads++;
    if (status == GLEANER_OK) {
        reading->by_source[profile.source]++;
        reading->unmarked += is_marked(&profile) ? 0 : 1;
    } else {
        reading->not_found++;
    }
    gleaner_profile_fini(&profile);
}

static void keep_reading(void *arg)
{
    struct reading *reading = arg;
    struct sync_parker nap;
    sync_park_init(&nap);
    while (base_mono_ns() < reading->until_ns) {
        read_once(reading, "ada");
        read_once(reading, "never-seen");
        (void)sync_park(&nap, base_mono_ns() + BASE_NS_PER_MS);
    }
}

/* ---- the peer ---- */

struct plain_read {
    struct rig *rig;
    uint64_t took_ns;
    const char *said;
};

static void read_plainly(void *arg)
{
    struct plain_read *plain = arg;
    uint64_t began_ns = base_mono_ns();
    mongoc_client_t *client = mongoc_client_pool_pop(plain->rig->plain);
    mongoc_collection_t *profiles = mongoc_client_get_collection(client, "app", "profiles");
    bson_t *filter = BCON_NEW("username", BCON_UTF8("ada"));
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(profiles, filter, NULL, NULL);
    const bson_t *document;
    bson_error_t error;
    bool found = mongoc_cursor_next(cursor, &document);
    bool failed = mongoc_cursor_error(cursor, &error);
    plain->said = found ? "the profile" : failed ? "an error" : "not found";
    plain->took_ns = base_mono_ns() - began_ns;
    mongoc_cursor_destroy(cursor);
    bson_destroy(filter);
    mongoc_collection_destroy(profiles);
    mongoc_client_pool_push(plain->rig->plain, client);
}

/* ---- faults ---- */

static void freeze(struct rig *rig)
{
    fixture_mongod_freeze(rig->server, 0);
}

static void thaw(struct rig *rig)
{
    fixture_mongod_thaw(rig->server, 0);
}

static void murder(struct rig *rig)
{
    fixture_mongod_kill(rig->server, 0);
}

static void raise_again(struct rig *rig)
{
    (void)fixture_mongod_restart(rig->server, 0);
}

static void cut(struct rig *rig)
{
    fixture_mongod_cut(rig->server);
}

static void mend(struct rig *rig)
{
    fixture_mongod_mend(rig->server);
}

static const struct fault {
    const char *name;
    void (*begin)(struct rig *rig);
    void (*end)(struct rig *rig);
    bool needs_network;
} faults[] = {
    {"frozen (SIGSTOP)", freeze, thaw, false},
    {"killed (kill -9)", murder, raise_again, false},
    {"partitioned (drop)", cut, mend, true},
};

/* ---- measuring ---- */

static bool comes_from_primary(struct rig *rig)
{
    struct gleaner_profile profile;
    bool is = gleaner_profile_read(rig->profiles, "ada", &profile) == GLEANER_OK &&
              profile.source == GLEANER_PROFILE_PRIMARY;
    gleaner_profile_fini(&profile);
    return is;
}

static bool await_primary(struct rig *rig)
{
    uint64_t give_up_ns = base_mono_ns() + BACK_WITHIN_S * BASE_NS_PER_S;
    struct sync_parker nap;
    sync_park_init(&nap);
    while (!comes_from_primary(rig)) {
        if (base_mono_ns() >= give_up_ns) {
            return false;
        }
        (void)sync_park(&nap, base_mono_ns() + 5 * BASE_NS_PER_MS);
    }
    return true;
}

static void add(struct reading *sum, const struct reading *one)
{
    sum->worst_ns = one->worst_ns > sum->worst_ns ? one->worst_ns : sum->worst_ns;
    sum->reads += one->reads;
    sum->not_found += one->not_found;
    sum->unmarked += one->unmarked;
    for (size_t i = 0; i < BASE_ARRAY_LEN(sum->by_source); i++) {
        sum->by_source[i] += one->by_source[i];
    }
}

static struct reading read_during(struct rig *rig, const struct fault *fault,
                                  struct plain_read *plain)
{
    struct reading readings[THREADS], sum = {0};
    struct sync_thread *threads[THREADS], *peer;
    fault->begin(rig);
    bool started = sync_thread_start(&peer, "plain", SYNC_PLAIN, read_plainly, plain) == GLEANER_OK;
    for (int i = 0; i < THREADS; i++) {
        readings[i] =
            (struct reading){.rig = rig, .until_ns = base_mono_ns() + rig->seconds * BASE_NS_PER_S};
        if (sync_thread_start(&threads[i], "reader", SYNC_READER, keep_reading, &readings[i]) !=
            GLEANER_OK) {
            abort();
        }
    }
    for (int i = 0; i < THREADS; i++) {
        sync_thread_join(&threads[i]);
        add(&sum, &readings[i]);
    }
    if (started) {
        sync_thread_join(&peer); /* before the fault ends: how long it takes is the question */
    }
    fault->end(rig);
    return sum;
}

static bool measure(struct rig *rig, const struct fault *fault)
{
    struct plain_read plain = {.rig = rig, .said = "nothing"};
    read_plainly(&plain); /* both are warm */
    if (!await_primary(rig)) {
        printf("%s: no answer of the primary to begin with\n", fault->name);
        return false;
    }
    struct reading sum = read_during(rig, fault, &plain);
    uint64_t ended_ns = base_mono_ns();
    bool is_back = await_primary(rig);
    double worst_ms = (double)sum.worst_ns / 1e6;
    bool holds = worst_ms <= BAR_MS && sum.not_found == 0 && sum.unmarked == 0 && is_back;
    printf("%-20s worst %7.1f ms of %llu reads (bar %d); primary %llu, cache %llu, default %llu, "
           "not found %llu, unmarked %llu; primary again after %.0f ms: %s\n",
           fault->name, worst_ms, (unsigned long long)sum.reads, BAR_MS,
           (unsigned long long)sum.by_source[GLEANER_PROFILE_PRIMARY],
           (unsigned long long)sum.by_source[GLEANER_PROFILE_CACHE],
           (unsigned long long)sum.by_source[GLEANER_PROFILE_DEFAULT],
           (unsigned long long)sum.not_found, (unsigned long long)sum.unmarked,
           (double)(base_mono_ns() - ended_ns) / 1e6, holds ? "holds" : "FAILS");
    printf("%-20s plain libmongoc, one read: %.1f ms, then %s\n", "", (double)plain.took_ns / 1e6,
           plain.said);
    return holds;
}

static bool store_ada(struct rig *rig)
{
    bson_t reply;
    bool ok = fixture_mongod_command(
        rig->server, 0, "app",
        "{\"insert\":\"profiles\",\"documents\":[{\"username\":\"ada\",\"xp\":7}]}", &reply);
    bson_destroy(&reply);
    return ok;
}

static bool open_rig(struct rig *rig, bool has_network)
{
    struct fixture_mongod_options server_options = {.own_network = has_network};
    rig->server = fixture_mongod_start(&server_options);
    if (rig->server == NULL || !store_ada(rig)) {
        return false;
    }
    struct gleaner_db_options options;
    gleaner_db_options_init(&options);
    char uri[512];
    const char *base = fixture_mongod_uri(rig->server);
    const char *path = strstr(base + strlen("mongodb://"), "/");
    int host_len = path != NULL ? (int)(path - base) : (int)strlen(base);
    snprintf(uri, sizeof(uri), "%.*s/app", host_len, base);
    options.uri = uri;
    if (gleaner_db_open(&options, &rig->db, NULL) != GLEANER_OK ||
        gleaner_profiles_open(rig->db, NULL, &rig->profiles, NULL) != GLEANER_OK) {
        return false;
    }
    snprintf(uri, sizeof(uri), "%.*s/app?socketTimeoutMS=%d&serverSelectionTimeoutMS=%d", host_len,
             base, PLAIN_MS, PLAIN_MS);
    mongoc_uri_t *parsed = mongoc_uri_new(uri);
    rig->plain = mongoc_client_pool_new(parsed);
    mongoc_uri_destroy(parsed);
    return rig->plain != NULL;
}

static void close_rig(struct rig *rig)
{
    if (rig->profiles != NULL) {
        gleaner_profiles_close(&rig->profiles);
    }
    if (rig->db != NULL) {
        (void)gleaner_db_close(&rig->db, 1000);
    }
    if (rig->plain != NULL) {
        mongoc_client_pool_destroy(rig->plain);
    }
    fixture_mongod_end(&rig->server);
}

int main(int argc, char **argv)
{
    if (fixture_mongod_program() == NULL) {
        return fixture_mongod_skip_code();
    }
    bool has_network = fixture_mongod_has_networks();
    struct rig rig = {.seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 3};
    bool holds = open_rig(&rig, has_network);
    for (size_t i = 0; holds && i < BASE_ARRAY_LEN(faults); i++) {
        if (faults[i].needs_network && !has_network) {
            printf("%-20s skipped: no network namespaces here\n", faults[i].name);
        } else {
            holds = measure(&rig, &faults[i]);
        }
    }
    close_rig(&rig);
    return holds ? 0 : 1;
}
