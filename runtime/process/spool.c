/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner spool: what waits in the data directory for its server, and the ways out of there. */
#include "process_internal.h"
#include <bson/bson.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPOOL_WAIT_STEP_MS 250

/* ---- whose ---- */

/* "URI DATABASE": whom the documents of this directory are for, without a password. */
static enum gleaner_status read_owner(struct store *local, struct base_buffer *out,
                                      struct base_error *error)
{
    enum gleaner_status status = store_meta_get(local, "spool/target", out, error);
    if (status == GLEANER_E_NOT_FOUND) {
        return base_error_set(error, status, "no document ever waited in this directory");
    }
    return status;
}

static enum gleaner_status open_to_look(struct work *work, const struct settings *settings,
                                        struct base_error *error)
{
    const struct store_sqlite_options options = {.directory = settings->data, .read_only = true};
    return store_sqlite_open(&options, &work->local, error);
}

/* ---- list, show ---- */

struct listing {
    uint64_t entries, damaged, refused;
    bool is_broken;
};

static void print_age(uint64_t age_ms, char *out, size_t out_size)
{
    uint64_t seconds = age_ms / 1000;
    if (seconds < 120) {
        (void)snprintf(out, out_size, "%llu s", (unsigned long long)seconds);
    } else if (seconds < 7200) {
        (void)snprintf(out, out_size, "%llu min", (unsigned long long)(seconds / 60));
    } else {
        (void)snprintf(out, out_size, "%llu h", (unsigned long long)(seconds / 3600));
    }
}

static bool list_row(void *ctx, const struct store_spool_entry *entry)
{
    struct listing *listing = ctx;
    char age[30];
    print_age(entry->age_ms, age, sizeof age);
    if (listing->entries++ == 0) {
        (void)printf("%8s %9s %10s  %-16s %s\n", "NUMBER", "AGE", "BYTES", "COLLECTION", "URL");
    }
    listing->damaged += entry->is_damaged;
    listing->refused += entry->is_refused;
    const char *aside = entry->is_damaged ? " (damaged)" : entry->is_refused ? " (refused)" : "";
    listing->is_broken = printf("%8llu %9s %10u  %-16s %s%s\n", (unsigned long long)entry->number,
                                age, entry->bytes, entry->collection, entry->url, aside) < 0;
    return !listing->is_broken && !signals_stop_wanted();
}

static void print_refused(uint64_t count)
{
    (void)fprintf(stderr,
                  "gleaner: %llu documents were refused by their server (a validator, a unique "
                  "index, their size): kept, not tried again; gleaner spool export has them\n",
                  (unsigned long long)count);
}

static enum gleaner_status list(struct settings *settings, struct base_error *error)
{
    struct work work = {0};
    struct listing listing = {0};
    struct base_buffer owner = {0};
    enum gleaner_status status = open_to_look(&work, settings, error);
    if (status == GLEANER_OK) {
        status = store_spool_list(work.local, 0, list_row, &listing, error);
    }
    if (status == GLEANER_OK && listing.entries == 0) {
        (void)printf("no document waits in %s\n", settings->data);
    } else if (status == GLEANER_OK && read_owner(work.local, &owner, NULL) == GLEANER_OK) {
        (void)fprintf(stderr, "gleaner: for %s\n", owner.data);
    }
    if (listing.damaged > 0) {
        (void)fprintf(stderr, "gleaner: %llu of them are damaged: kept, never delivered\n",
                      (unsigned long long)listing.damaged);
    }
    if (listing.refused > 0) {
        print_refused(listing.refused);
    }
    base_buffer_fini(&owner);
    work_close(&work);
    return status;
}

static bool show_row(void *ctx, const struct store_spool_entry *entry)
{
    struct listing *listing = ctx;
    bson_t document;
    listing->entries++;
    if (entry->is_damaged || !bson_init_static(&document, entry->bson, entry->bson_len)) {
        listing->damaged++;
        return false;
    }
    char *text = bson_as_relaxed_extended_json(&document, NULL);
    listing->is_broken = text == NULL || puts(text) < 0;
    bson_free(text);
    return false;
}

static enum gleaner_status show_one(struct store *local, const char *name, struct base_error *error)
{
    char *end = NULL;
    struct listing listing = {0};
    unsigned long long number = isdigit((unsigned char)name[0]) ? strtoull(name, &end, 10) : 0;
    if (number == 0 || *end != '\0') {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "spool show wants a number of gleaner spool list, not '%s'", name);
    }
    enum gleaner_status status = store_spool_list(local, number, show_row, &listing, error);
    if (status == GLEANER_OK && listing.entries == 0) {
        return base_error_set(error, GLEANER_E_NOT_FOUND,
                              "no document %llu in the spool; it may be delivered by now", number);
    }
    if (status == GLEANER_OK && listing.damaged > 0) {
        return base_error_set(error, GLEANER_E_CORRUPT,
                              "document %llu is damaged: its checksum does not fit", number);
    }
    return status;
}

static enum gleaner_status show(struct settings *settings, struct base_error *error)
{
    struct work work = {0};
    if (settings->operands.count < 2) {
        return base_error_set(error, GLEANER_E_CONFIG,
                              "spool show wants a number of gleaner spool list");
    }
    enum gleaner_status status = open_to_look(&work, settings, error);
    for (size_t i = 1; status == GLEANER_OK && i < settings->operands.count; i++) {
        status = show_one(work.local, settings->operands.items[i], error);
    }
    work_close(&work);
    return status;
}

/* ---- drain ---- */

/* Without --to: the server that the directory remembers, when it needs no password. */
static enum gleaner_status find_server(struct settings *settings, struct base_error *error)
{
    if (settings_wants_server(settings)) {
        return GLEANER_OK;
    }
    struct work work = {0};
    struct base_buffer owner = {0};
    enum gleaner_status status = open_to_look(&work, settings, error);
    if (status == GLEANER_OK) {
        status = read_owner(work.local, &owner, error);
    }
    if (status == GLEANER_OK) {
        size_t uri_len = strcspn(owner.data, " ");
        const char *database = owner.data + uri_len + (owner.data[uri_len] == ' ');
        if (memchr(owner.data, '@', uri_len) != NULL) {
            status = base_error_set(error, GLEANER_E_CONFIG,
                                    "the documents in %s are for %.*s: give that with its password "
                                    "in MONGODB_URI or after --to",
                                    settings->data, (int)uri_len, owner.data);
        } else {
            settings->target = base_arena_strndup(&settings->arena, owner.data, uri_len);
            if (database[0] != '\0') {
                settings->database =
                    base_arena_strndup(&settings->arena, database, strlen(database));
            }
            status = settings->target != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
        }
    }
    base_buffer_fini(&owner);
    work_close(&work);
    return status;
}

static bool count_refused(void *ctx, const struct store_spool_entry *entry)
{
    *(uint64_t *)ctx += entry->is_refused;
    return true;
}

static void deliver(struct work *work, struct store_spool_stats *spool)
{
    uint64_t patience_ns = work->settings->spool_wait_ms * BASE_NS_PER_MS;
    uint64_t progress_ns = base_mono_ns();
    uint64_t last = UINT64_MAX;
    enum gleaner_status left = GLEANER_E_TIMEOUT;
    while (left == GLEANER_E_TIMEOUT && !signals_stop_wanted() &&
           base_mono_ns() - progress_ns < patience_ns) {
        left =
            store_tiered_drain(work->tiered, base_mono_ns() + SPOOL_WAIT_STEP_MS * BASE_NS_PER_MS);
        store_tiered_spool(work->tiered, spool);
        if (spool->documents < last) {
            last = spool->documents;
            progress_ns = base_mono_ns();
        }
    }
    store_tiered_spool(work->tiered, spool);
}

static enum gleaner_status drain(struct settings *settings, int *code, struct base_error *error)
{
    struct work work = {0};
    struct store_spool_stats spool = {0};
    enum gleaner_status status = find_server(settings, error);
    if (status == GLEANER_OK) {
        status = work_open_stores(&work, settings, WORK_CRAWL, error);
    }
    if (status == GLEANER_OK) {
        store_tiered_spool(work.tiered, &spool);
        uint64_t replayed = spool.replayed;
        deliver(&work, &spool);
        (void)printf("%llu documents delivered to %s, %llu left in %s\n",
                     (unsigned long long)(spool.replayed - replayed), work.target,
                     (unsigned long long)spool.documents, work.data);
        uint64_t refused = 0;
        if (store_spool_list(work.local, 0, count_refused, &refused, NULL) == GLEANER_OK &&
            refused > 0) {
            print_refused(refused);
        }
        *code = spool.documents > 0 ? EXIT_SPOOLED : EXIT_COMPLETE;
    }
    if (status == GLEANER_OK && spool.documents > 0 && !gleaner_db_is_up(work.db)) {
        struct gleaner_db_state state = {.size = sizeof state};
        gleaner_db_read_state(work.db, &state);
        (void)base_error_set(error, GLEANER_E_DOWN, "%s: %s", work.target, state.reason);
        print_error(error);
    }
    work_close(&work);
    return status;
}

int command_drain(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_error error = {0};
    int code = EXIT_COMPLETE;
    enum gleaner_status status = drain(settings, &code, &error);
    if (status != GLEANER_OK) {
        print_error(&error);
        return (int)work_exit_code(status);
    }
    return code;
}

/* ---- which ---- */

int command_spool(struct settings *settings, int argc, char *const argv[])
{
    struct base_error error = {0};
    enum gleaner_status status;
    const size_t count = settings->operands.count;
    const char *what = count > 0 ? settings->operands.items[0] : "list";
    if (count > 1 && strcmp(what, "show") != 0) {
        status = base_error_set(&error, GLEANER_E_CONFIG, "spool %s takes no '%s'", what,
                                settings->operands.items[1]);
    } else if (strcmp(what, "drain") == 0) {
        return command_drain(settings, argc, argv);
    } else if (strcmp(what, "export") == 0) {
        return export_documents(settings, EXPORT_SPOOL);
    } else if (strcmp(what, "list") == 0) {
        status = list(settings, &error);
    } else if (strcmp(what, "show") == 0) {
        status = show(settings, &error);
    } else {
        status = base_error_set(&error, GLEANER_E_CONFIG,
                                "spool knows list, show, drain and export, not '%s'", what);
    }
    if (status != GLEANER_OK) {
        print_error(&error);
    }
    return end_output(stdout, (int)work_exit_code(status));
}
