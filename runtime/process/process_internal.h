/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file process_internal.h
 * What the files of runtime/process share: the commands, the signals, and `struct work`, the set of
 * opened rooms behind a crawl or a service.
 */
#ifndef PROCESS_INTERNAL_H
#define PROCESS_INTERNAL_H

#include "admin.h"
#include "base.h"
#include "fetch.h"
#include "gleaner/db.h"
#include "module.h"
#include "queue.h"
#include "settings.h"
#include "store.h"
#include "worker.h"
#include <stdio.h>

/* ---- exit codes: documented in `gleaner --help` ---- */

enum exit_code {
    EXIT_COMPLETE = 0,
    EXIT_OTHER = 1,   /* no running process to ask; output closed; out of memory */
    EXIT_USAGE = 2,   /* command line, configuration, seed URL */
    EXIT_STOPPED = 3, /* by a signal; the same command goes on where it was */
    EXIT_SPOOLED = 4, /* complete, but documents wait in the spool for their server */
    EXIT_STORAGE = 5, /* the data directory or the store failed */
    EXIT_NO_PAGE = 6  /* nothing could be fetched */
};

/* ---- signals ---- */

/** Block the signals that the signal thread takes; before any thread is started. [startup] */
void signals_block(void);
/** Start the signal thread. SIGINT and SIGTERM: the first asks to stop, the second exits at once
 *  with EXIT_STOPPED. SIGHUP asks to reread the configuration. */
GLEANER_MUST_CHECK enum gleaner_status signals_start(struct base_error *error);
void signals_stop(void);
/** Thread: [any]. */
bool signals_stop_wanted(void);
/** When the first stop came (monotonic), 0 = none yet. Thread: [any]. */
uint64_t signals_stopped_ns(void);
/** From the first stop on: when this is over the process ends with `code`, whatever hangs. Nothing
 *  that was acknowledged is lost by it. Again, it replaces the earlier one. Thread: [owner]. */
void signals_set_patience(uint64_t patience_ms, enum exit_code code);
/** The same for a command that has nothing to hand back: it ends without a word. [owner] */
void signals_set_short_patience(uint64_t patience_ms, enum exit_code code);
/** The same without a stop, by a deadline; the earlier of both counts. Thread: [owner]. */
void signals_leave_by(uint64_t deadline_ns, enum exit_code code);
/** True once for each SIGHUP since the last call. Thread: [owner]. */
bool signals_take_reload(void);

/* ---- the opened rooms ---- */

enum work_kind {
    WORK_CRAWL,  /* frontier beside the spool in the data directory, documents to the target; with
                    --frontier shared both in the target */
    WORK_SERVICE /* jobs and documents in the target */
};

/* Members are opened from top to bottom and closed from bottom to top by work_close(); what was not
 * opened is NULL. Lives on the stack of the command; everything borrows from the members above. */
struct work {
    const struct settings *settings;
    enum work_kind kind;
    char data[4096];   /* the directory in use: settings' or a temporary one */
    bool is_temporary; /* --to none, --to -: removed at the end */
    char target[600];  /* where documents go, without a password */
    char owner[160];   /* name of our leases */
    bool has_owner_file;
    int owner_fd; /* if so; holds its lock */
    struct gleaner_db *db;
    struct store *local, *remote, *tiered;
    struct store *documents; /* one of the three: where documents go */
    struct store_queue *jobs;
    bool is_shared; /* the frontier is in `remote`: other processes are at work on it. Said before
                       the stores are opened */
    struct worker_shares *shares; /* which of its hosts are ours; NULL = all */
    struct queue_scope *scope;
    struct queue *queue;
    struct fetch_engine *fetch;
    struct module_registry *modules;
    uint64_t pages_before; /* of a crawl that is resumed with a limit of pages */
    struct sinks *sinks;   /* --to FILE, --also; NULL = none */
    struct worker_group *workers;
    struct admin_sources sources;
    struct admin_server *server;
    struct work_counting *counting; /* of the store's jobs, on a thread of its own */
    uint64_t count_by_ns;           /* stopping: the summary waits for a count until then */
    struct live *live;              /* NULL before it runs */
    const struct admin_control *controls;
    size_t control_count;
    /* writes: main; reads: main, admin thread; relaxed: shown in the status only */
    _Atomic bool is_stopping;
    /* writes: main once, release; reads: workers and drainer, acquire: false until the spool is
     * known to belong to this server */
    _Atomic bool may_use_remote;
};

GLEANER_MUST_CHECK enum gleaner_status work_open_stores(struct work *work,
                                                        const struct settings *settings,
                                                        enum work_kind kind,
                                                        struct base_error *error);
/** owner.c: choose the name of our leases. */
void work_name_owner(struct work *work, enum work_kind kind);
/** Give back what dead processes of this data directory held, and leave our name for the next one.
 *  Once the jobs are open, before anything is claimed. */
GLEANER_MUST_CHECK enum gleaner_status work_take_back_leases(struct work *work,
                                                             struct base_error *error);
void work_forget_owner(struct work *work);
/** mkdir -p, for the owner alone; false with errno. */
bool work_make_directories(const char *path);
/** Wait as long as a first connection may take. Errors: GLEANER_E_DOWN with target and reason. */
GLEANER_MUST_CHECK enum gleaner_status work_wait_server(struct work *work,
                                                        struct base_error *error);
/** libgleaner with these settings. */
GLEANER_MUST_CHECK enum gleaner_status
work_open_db(const struct settings *settings, struct gleaner_db **out, struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status work_start_fetch(struct work *work,
                                                        struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status work_load_modules(struct work *work,
                                                         struct base_error *error);
GLEANER_MUST_CHECK enum gleaner_status work_start_workers(struct work *work, enum work_kind kind,
                                                          struct base_error *error);
/** The status server; that it is missing is logged, not an error. */
void work_start_server(struct work *work, const char *command);
/** Stop claiming and wait until what is in flight is settled or handed back, at most drain_ms from
 *  the stop on. */
void work_drain(struct work *work, uint64_t drain_ms);
/** How long the first stop is followed before the process ends in any case. `drain_ms` 0: while
 *  starting. */
void work_set_patience(const struct work *work, uint64_t drain_ms, enum exit_code code);
/** All figures, for the summary: those of the store if it answers soon. */
void work_read_last(struct work *work, struct admin_figures *out);
void work_close(struct work *work);
/** The same with a bound, for what ran: a frozen server is left behind. */
void work_close_soon(struct work *work, enum exit_code code);
/** Exit code of a failure while opening. */
enum exit_code work_exit_code(enum gleaner_status status);
/** What the workers take while they run. */
struct worker_live work_worker_live(const struct settings *settings, enum work_kind kind);
/** The fetch room's options out of the settings; borrows their strings. */
void work_fetch_options(const struct settings *settings, struct fetch_options *out);
/** libgleaner's options out of the settings; borrows their strings. */
void work_db_options(const struct settings *settings, struct gleaner_db_options *out);
/** Normalise a URL of a person's. Errors name it and say what would be one. */
GLEANER_MUST_CHECK enum gleaner_status
work_normalise_url(const char *text, char *out, size_t out_size, struct base_error *error);

/* ---- settings and modules of a running process (live.c) ----
 *
 * SIGHUP and requests of the status server change what runs. Both are served by the main thread, so
 * that it alone changes settings: a request waits for its turn (control.c). */

struct control;
struct live;
typedef enum gleaner_status (*control_do)(struct live *live, const char *text,
                                          struct base_buffer *out, struct base_error *error);

/** Thread: [startup]. `settings`, `argv` and `work` are borrowed; work->live is set. */
GLEANER_MUST_CHECK enum gleaner_status live_open(struct work *work, struct settings *settings,
                                                 int argc, char *const argv[], unsigned groups,
                                                 struct base_error *error);
/** One turn: SIGHUP, and a request that waits. [main] */
void live_serve(struct work *work);
/** No more requests: who waits is told that the process stops. [main] */
void live_stop(struct work *work);
/** After the status server has stopped. */
void live_close(struct work *work);
/** Read the sources again, apply what is live, load changed modules; one line for each in `out`. */
GLEANER_MUST_CHECK enum gleaner_status
live_reload(struct live *live, const char *text, struct base_buffer *out, struct base_error *error);
/** KEY=VALUE lines: all or nothing. */
GLEANER_MUST_CHECK enum gleaner_status live_set(struct live *live, const char *text,
                                                struct base_buffer *out, struct base_error *error);
/** What `gleaner config --live` prints. */
GLEANER_MUST_CHECK enum gleaner_status live_show(struct live *live, const char *text,
                                                 struct base_buffer *out, struct base_error *error);

GLEANER_MUST_CHECK enum gleaner_status control_create(struct control **out);
void control_destroy(struct control **control);
/** Let the main thread do it and wait for that. Thread: [any] but main.
 *  Errors: GLEANER_E_CLOSED it stops; GLEANER_E_TIMEOUT it has no time; else of `what`. */
GLEANER_MUST_CHECK enum gleaner_status control_ask(struct control *control, control_do what,
                                                   const char *text, struct base_buffer *out,
                                                   struct base_error *error);
/** Do what waits, if anything. [main] */
void control_serve(struct control *control, struct live *live);
void control_close(struct control *control);

/* ---- counting: a store that hangs must not hold the thread that has to see a stop ---- */

/** Start to count the jobs, unless that is under way. [main] */
void work_count_start(struct work *work);
/** True when a count has come since the last call: *out and *is_good (the store answered). Waits
 *  for one that is under way until the deadline. [main] */
bool work_count_take(struct work *work, uint64_t deadline_ns, struct store_counts *out,
                     bool *is_good);
/** Wait for what is under way. NULL accepted. */
void work_count_end(struct work *work);

/* ---- progress and summary ---- */

struct progress {
    bool is_on, is_terminal;
    uint64_t next_ns, next_counts_ns;
    uint64_t last_ns, last_pages;
    uint64_t last_moves; /* of the queue, when its counts were read */
    double rate;
    struct store_counts counts;
    char last_line[600]; /* not on a terminal: the same line is not printed twice */
};
void progress_start(struct progress *progress, bool is_on);
/** Repaint or print a line when it is time. [main] */
void progress_tick(struct progress *progress, struct work *work);
/** Wipe the line: something else is printed now. */
void progress_clear(const struct progress *progress);
/** Leave the terminal clean. */
void progress_end(struct progress *progress);

/** False, with a message, when standard output takes nothing (a closed pipe is no failure). */
bool summary_print(const struct work *work, const struct admin_figures *figures,
                   enum exit_code code, const char *how_it_ended);

/** Worker threads: as configured, or one for each processor. */
uint32_t work_threads(const struct settings *settings);

/* ---- files instead of the store or beside it (sinks.c) ---- */

/** Does a file want the headers of answers? */
bool sinks_want_headers(const struct settings *settings);
GLEANER_MUST_CHECK enum gleaner_status sinks_check(const struct settings *settings,
                                                   struct base_error *error);
/** The file of --to, whatever the working directory. */
GLEANER_MUST_CHECK enum gleaner_status sinks_target_path(const struct settings *settings, char *out,
                                                         size_t out_size, struct base_error *error);
/** The crawl is not resumed: what `home` knows of its files is of an earlier one. Before it is
 *  noted as running. */
GLEANER_MUST_CHECK enum gleaner_status sinks_begin_anew(const struct settings *settings,
                                                        struct store *home, const char *crawl,
                                                        struct base_error *error);
/** Open those of --to and --also into work->sinks; `home` keeps where the crawl began in each.
 *  [startup] */
GLEANER_MUST_CHECK enum gleaner_status sinks_open(struct work *work, struct store *home,
                                                  const char *crawl, uint32_t threads,
                                                  struct base_error *error);
/** A resumed crawl finds its pages in the file of --to, unless somebody took that away. */
GLEANER_MUST_CHECK enum gleaner_status sinks_check_resumed(const struct work *work,
                                                           struct base_error *error);
/** Does nobody read standard output any more? NULL accepted. Thread: [any]. */
bool sinks_are_closed(const struct sinks *sinks);
/** NULL accepted, NULL given then. */
const struct worker_tap *sinks_tap(const struct sinks *sinks);
/** A line for each of --also on standard error. */
void sinks_print(const struct work *work);
/** Where the documents are, with --to FILE. */
void sinks_print_target(const struct work *work, FILE *out);
/** After the workers. NULL accepted. */
void sinks_close(struct sinks **sinks);

/* ---- commands ---- */

struct command {
    const char *name;
    const char *synopsis;
    const char *summary;
    const char *help;
    unsigned groups;
    int (*run)(struct settings *settings, int argc, char *const argv[]);
};
extern const struct command commands[];
extern const size_t commands_count;

int command_crawl(struct settings *settings, int argc, char *const argv[]);
int command_run(struct settings *settings, int argc, char *const argv[]);
int command_submit(struct settings *settings, int argc, char *const argv[]);
int command_export(struct settings *settings, int argc, char *const argv[]);
int command_status(struct settings *settings, int argc, char *const argv[]);
int command_config(struct settings *settings, int argc, char *const argv[]);
int command_drain(struct settings *settings, int argc, char *const argv[]);
/* control_commands.c */
int command_set(struct settings *settings, int argc, char *const argv[]);
int command_reload(struct settings *settings, int argc, char *const argv[]);
/* scanning.c */
/** Store the files of a directory in the stores that `work` has opened. Thread: [any]. */
GLEANER_MUST_CHECK enum gleaner_status scanning_run(struct work *work, const char *directory,
                                                    uint64_t *files, uint64_t *found,
                                                    struct base_error *error);
/* stdio.c */
int command_worker(struct settings *settings, int argc, char *const argv[]);
/* module_settings.c */
/** modules.settings names only modules that are loaded, and settings that they ask for. [startup]
 */
GLEANER_MUST_CHECK enum gleaner_status module_settings_check(const struct settings *settings,
                                                             struct module_registry *modules,
                                                             struct base_error *error);
/* queue_command.c */
int command_queue(struct settings *settings, int argc, char *const argv[]);
/** POST /queue of the status server: change jobs of this process' store. Thread: [any]. */
GLEANER_MUST_CHECK enum gleaner_status queue_answer(struct work *work, const char *text,
                                                    struct base_buffer *out,
                                                    struct base_error *error);
int command_config_live(const struct settings *settings);
/* tools.c */
int command_scrape(struct settings *settings, int argc, char *const argv[]);
int command_robots(struct settings *settings, int argc, char *const argv[]);
int command_url(struct settings *settings, int argc, char *const argv[]);
int command_fetch(struct settings *settings, int argc, char *const argv[]);
int command_sitemap(struct settings *settings, int argc, char *const argv[]);
int command_spool(struct settings *settings, int argc, char *const argv[]);
/* searching.c */
int command_search(struct settings *settings, int argc, char *const argv[]);
/* profile.c */
int command_profile(struct settings *settings, int argc, char *const argv[]);
/* scanning.c */
int command_scan(struct settings *settings, int argc, char *const argv[]);

enum export_source {
    EXPORT_DOCUMENTS, /* of --to and --collection */
    EXPORT_SPOOL      /* all that wait */
};
int export_documents(struct settings *settings, enum export_source source);

/** What was printed is out, or it is said why not: then EXIT_OTHER, else `code`. A reader who has
 *  seen enough is no failure. [main] */
int end_output(FILE *out, int code);
/** Print "gleaner: MESSAGE" to standard error, passwords replaced. */
void print_error(const struct base_error *error);
void print_versions(void);

#endif
