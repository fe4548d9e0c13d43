/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 of a process that writes while its server is away, and comes back, and goes again.
 *
 * The process (this program again) settles documents through the tiered store: new ones and later
 * versions of earlier ones, and tells the number of each batch when its settle has returned. It is
 * killed at random instants (a random number of batches, and a part of 5 ms), 50 times; the server
 * is away for five kills (everything goes into the spool), then there for five (the spool drains,
 * in the middle of which the kills fall), and so on. In the end the spool is drained, and the
 * server is read: every acknowledged document is to be there, in the version acknowledged last or
 * one that was under way at a kill, and once. Plain libmongoc has no spool: what it is given
 * meanwhile is refused. `fault_spool_kill [KILLS [SEED]]` */
#include "db_load.h"
#include "store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KILLS = 50,
    IN_A_ROW = 5,
    BATCH = 4,
    BATCHES_MOST = 60,
    TEXT_BYTES = 2000,
    KEYS_MAX = 200000
};

#define COLLECTION "spooled"

/* Write n is a version of document key_of(n): two of three are new, the third is a later version of
 * an earlier one. The same for both processes: only the number is told. */
static uint32_t key_of(uint32_t n)
{
    return n % 3 != 2 ? n : (uint32_t)(base_hash64(&n, sizeof n) % (n / 3 + 1)) * 3;
}

/* ---- the process that is killed ---- */

static void must(enum gleaner_status status, const char *message)
{
    if (status != GLEANER_OK) {
        fprintf(stderr, "%s: %s\n", gleaner_status_name(status), message);
        _exit(2);
    }
}

static bool is_up(void *db)
{
    return gleaner_db_is_up(db);
}

struct writer {
    struct gleaner_db *db;
    struct store *local, *remote, *store;
    struct store_queue *queue;
    struct base_error error;
};

static void writer_open(struct writer *w, const char *directory, const char *uri)
{
    struct gleaner_db_options options;
    struct gleaner_error error;
    const struct store_sqlite_options local = {.directory = directory, .durable = true};
    gleaner_db_options_init(&options);
    options.uri = uri;
    options.backoff_base_ms = 20;
    options.backoff_cap_ms = 100;
    options.reconnect_limit = 100;
    must(gleaner_db_open(&options, &w->db, &error), error.message);
    must(store_sqlite_open(&local, &w->local, &w->error), w->error.message);
    const struct store_mongo_options remote = {
        .db = w->db, .database = "test", .operation_ms = 10000};
    must(store_mongo_open(&remote, &w->remote, &w->error), w->error.message);
    const struct store_tiered_options tiered = {
        .local = w->local, .remote = w->remote, .remote_is_up = is_up, .remote_ctx = w->db};
    must(store_tiered_open(&tiered, &w->store, &w->error), w->error.message);
    must(store_queue_open(w->store, "crawl/kill", &w->queue, &w->error), w->error.message);
}

static void write_batch(struct writer *w, uint32_t first)
{
    static char text[TEXT_BYTES];
    bson_t bson[BATCH];
    struct store_document documents[BATCH];
    struct store_settled settled;
    memset(text, 't', sizeof text - 1);
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t key = key_of(first + i);
        bson_init(&bson[i]);
        BSON_APPEND_INT32(&bson[i], "k", (int32_t)key);
        BSON_APPEND_INT32(&bson[i], "n", (int32_t)(first + i));
        BSON_APPEND_UTF8(&bson[i], "text", text);
        documents[i] = (struct store_document){
            .collection = COLLECTION, .bson = bson_get_data(&bson[i]), .bson_len = bson[i].len};
        store_document_id(COLLECTION, (const char *)&key, sizeof key, documents[i].id);
    }
    const struct store_settlement settlement = {.documents = documents, .document_count = BATCH};
    must(store_settle(w->queue, &settlement, &settled, &w->error), w->error.message);
    for (uint32_t i = 0; i < BATCH; i++) {
        bson_destroy(&bson[i]);
    }
    dprintf(STDOUT_FILENO, "%u %u\n", first, (unsigned)settled.documents_spooled);
}

static _Noreturn void be_killed(const char *directory, const char *uri, uint32_t first)
{
    struct writer w = {0};
    writer_open(&w, directory, uri);
    for (uint32_t n = first;; n += BATCH) {
        write_batch(&w, n);
    }
}

static int drain(const char *directory, const char *uri)
{
    struct writer w = {0};
    writer_open(&w, directory, uri);
    must(store_tiered_drain(w.store, base_mono_ns() + 120 * BASE_NS_PER_S),
         "the spool is not empty");
    store_queue_close(&w.queue);
    store_close(&w.store);
    store_close(&w.remote);
    store_close(&w.local);
    (void)gleaner_db_close(&w.db, 1000);
    return 0;
}

/* ---- the one who kills ---- */

struct ledger {
    uint32_t *acknowledged; /* [key]: the last write that was, plus one */
    uint32_t *begun;        /* [key]: the last write that was begun, plus one; filled in the end */
    uint32_t next;          /* write */
    uint64_t writes, spooled, batches;
    uint32_t kills, kills_away;
};

static pid_t start(const char *directory, const char *uri, const char *first, int *out)
{
    int ends[2];
    BASE_ASSERT(pipe(ends) == 0);
    pid_t pid = fork();
    BASE_ASSERT(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "spool_kill", "--as", directory, uri, first, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *out = ends[0];
    return pid;
}

static void acknowledge(struct ledger *ledger, uint32_t first, uint32_t spooled)
{
    for (uint32_t n = first; n < first + BATCH; n++) {
        ledger->acknowledged[key_of(n)] = n + 1;
    }
    ledger->writes += BATCH;
    ledger->batches++;
    ledger->spooled += spooled;
    ledger->next = first + BATCH;
}

static void wait_a_part(struct base_random *random)
{
    const struct timespec part = {.tv_nsec = (long)base_random_below(random, 5000000)};
    (void)nanosleep(&part, NULL);
}

/* What it still wrote before it died is acknowledged, too; the batch behind that was under way. */
static void run_and_kill(struct ledger *ledger, const char *directory, const char *uri,
                         struct base_random *random, bool is_away)
{
    char line[64], first[16];
    int fd = -1, status = 0;
    uint32_t n, spooled;
    uint64_t until = 1 + base_random_below(random, BATCHES_MOST);
    snprintf(first, sizeof first, "%u", (unsigned)ledger->next);
    pid_t pid = start(directory, uri, first, &fd);
    FILE *out = fdopen(fd, "r");
    BASE_ASSERT(out != NULL);
    for (uint64_t i = 1; fgets(line, sizeof line, out) != NULL; i++) {
        if (i == until) {
            wait_a_part(random);
            kill(pid, SIGKILL);
        }
        if (strchr(line, '\n') != NULL && sscanf(line, "%u %u", &n, &spooled) == 2) {
            acknowledge(ledger, n, spooled);
        }
    }
    fclose(out);
    BASE_ASSERT(waitpid(pid, &status, 0) == pid);
    BASE_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it ended by itself */
    ledger->next += BATCH;
    ledger->kills++;
    ledger->kills_away += is_away;
}

struct found {
    uint64_t documents, lost, old, doubled, strange;
};

static void note_begun(struct ledger *ledger)
{
    for (uint32_t n = 0; n < ledger->next; n++) {
        ledger->begun[key_of(n)] = n + 1;
    }
}

static void look_at(const struct ledger *ledger, const bson_t *document, uint8_t *times,
                    struct found *found)
{
    bson_iter_t iter;
    BASE_ASSERT(bson_iter_init_find(&iter, document, "k"));
    uint32_t key = (uint32_t)bson_iter_int32(&iter);
    BASE_ASSERT(bson_iter_init_find(&iter, document, "n") && key < KEYS_MAX);
    uint32_t version = (uint32_t)bson_iter_int32(&iter) + 1;
    times[key] = times[key] == 0 ? 1 : 2;
    found->documents++;
    found->doubled += times[key] == 2;
    found->old += version < ledger->acknowledged[key];
    found->strange += version > ledger->begun[key] || key_of(version - 1) != key;
}

static struct found look(struct ledger *ledger, const char *uri)
{
    struct found found = {0};
    const bson_t *document;
    bson_t all = BSON_INITIALIZER;
    bson_error_t error;
    uint8_t *times = calloc(KEYS_MAX, 1);
    mongoc_client_pool_t *pool = load_open_theirs(uri, 1);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *from = mongoc_client_get_collection(client, "test", COLLECTION);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(from, &all, NULL, NULL);
    BASE_ASSERT(times != NULL);
    note_begun(ledger);
    while (mongoc_cursor_next(cursor, &document)) {
        look_at(ledger, document, times, &found);
    }
    BASE_ASSERT(!mongoc_cursor_error(cursor, &error));
    for (uint32_t key = 0; key < KEYS_MAX; key++) {
        found.lost += ledger->acknowledged[key] > 0 && times[key] == 0;
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(from);
    mongoc_client_pool_push(pool, client);
    mongoc_client_pool_destroy(pool);
    bson_destroy(&all);
    free(times);
    return found;
}

/* Five kills while it is away, five while it is there. */
static void toggle(struct fixture_mongod *server, bool *is_away)
{
    if (*is_away) {
        BASE_ASSERT(fixture_mongod_restart(server, 0));
    } else {
        fixture_mongod_kill(server, 0);
    }
    *is_away = !*is_away;
}

static void campaign(struct ledger *ledger, struct fixture_mongod *server, const char *directory,
                     uint32_t kills, struct base_random *random)
{
    const char *uri = fixture_mongod_uri(server);
    bool is_away = false;
    int fd = -1, status = 0;
    while (ledger->kills < kills && ledger->next < KEYS_MAX / 2) {
        if (ledger->kills % IN_A_ROW == 0) {
            toggle(server, &is_away);
        }
        run_and_kill(ledger, directory, uri, random, is_away);
    }
    if (is_away) {
        toggle(server, &is_away);
    }
    pid_t pid = start(directory, uri, "drain", &fd);
    BASE_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
    close(fd);
}

static void remove_directory(const char *directory)
{
    static const char *const names[] = {"gleaner.db", "gleaner.db-wal", "gleaner.db-shm", "lock"};
    char path[128];
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

static int kill_often(uint32_t kills, uint64_t seed)
{
    char directory[] = "/tmp/gleaner-spool-kill-XXXXXX";
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    struct base_random random;
    struct ledger ledger = {.acknowledged = calloc(KEYS_MAX, sizeof(uint32_t)),
                            .begun = calloc(KEYS_MAX, sizeof(uint32_t))};
    if (server == NULL) {
        return fixture_mongod_skip_code();
    }
    BASE_ASSERT(mkdtemp(directory) != NULL && ledger.acknowledged != NULL && ledger.begun != NULL);
    base_random_init(&random, seed);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    campaign(&ledger, server, directory, kills, &random);
    struct found found = look(&ledger, fixture_mongod_uri(server));
    printf("killed %u times, %u while the server was away: %llu writes acknowledged in %llu "
           "batches, %llu of them into the spool; %llu documents on the server\n",
           ledger.kills, ledger.kills_away, (unsigned long long)ledger.writes,
           (unsigned long long)ledger.batches, (unsigned long long)ledger.spooled,
           (unsigned long long)found.documents);
    printf("acknowledged and lost %llu, in an older version than acknowledged %llu, doubled %llu, "
           "never written %llu; bar 0: %s\n",
           (unsigned long long)found.lost, (unsigned long long)found.old,
           (unsigned long long)found.doubled, (unsigned long long)found.strange,
           load_verdict(found.lost + found.old + found.doubled + found.strange == 0 &&
                        ledger.spooled > 0 && ledger.kills == kills));
    fixture_mongod_end(&server);
    remove_directory(directory);
    free(ledger.acknowledged);
    free(ledger.begun);
    return load_exit_code();
}

int main(int argc, char **argv)
{
    base_log_set_level(BASE_LOG_ERROR);
    if (argc == 5 && strcmp(argv[1], "--as") == 0) {
        bool drains = strcmp(argv[4], "drain") == 0;
        if (drains) {
            return drain(argv[2], argv[3]);
        }
        be_killed(argv[2], argv[3], (uint32_t)strtoul(argv[4], NULL, 10));
    }
    uint32_t kills = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : KILLS;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)base_wall_ms();
    return kill_often(kills > 0 ? kills : KILLS, seed);
}
