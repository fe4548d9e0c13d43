/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_INTERNAL_H
#define SUPERVISOR_INTERNAL_H

#include "listener.h"
#include "poke.h"
#include "storm.h"
#include "supervisor.h"

#define SUPERVISOR_MAGIC UINT32_C(0x53555031)
#define SUPERVISOR_TASKS 16
#define SUPERVISOR_JOBS 48  /* in flight at once, condemned ones included */
#define SUPERVISOR_SPARES 8 /* threads started beyond the plan because others hang */
#define SUPERVISOR_TICK_MS 1000
#define SUPERVISOR_HOLD_OFF_CAP_MS 2000 /* a real death is never seen later than that */
#define SUPERVISOR_HOLD_OFF_MS 500 /* between two probes that failure reports ask for; doubles */

/* ---- targets: target.c
 * ------------------------------------------------------------------------- */

/* Where and how a tier connects. Immutable; shared by the tier, its jobs and its endpoints, so that
 * settings can change while old connections still serve. */
struct target {
    /* writes/reads: supervisor, connectors, reaper; order: acq_rel down: the last one frees */
    _Atomic uint32_t refs;
    char *uri; /* NULL: not configured */
    char *app_name;
    uint32_t shards;
    bool has_options;
    struct mongo_options options; /* its default_db is ours */
    struct listener_ports ports;  /* of this machine */
    /* A listener was seen there while the server answered: so its absence means something.
     * writes, reads: connectors; relaxed: a fact that once true stays true */
    _Atomic bool listens_here;
};
struct target *target_create(const struct supervisor_config *config, const char *uri);
bool target_is_same(const struct target *one, const struct target *other);
struct target *target_ref(struct target *target);
struct job;
struct tier;
/** Where this job connects: to the target, by way of the members that are known of it (NULL: none).
 */
void target_aim(struct job *job, struct target *target, const char *members_uri);
/** The URI that a job connects by. */
const char *target_uri(const struct job *job);
/** The ports where somebody would listen: the target's, or those of all members that are known. */
struct listener_ports target_ports(const struct tier *tier);
/** Keep what a job has found of the set's members. [supervisor] */
void target_learn(struct tier *tier, struct job *job);
/** NULL accepted. */
void target_unref(struct target *target);

/* ---- endpoints: endpoint.c
 * ----------------------------------------------------------------------- */

/* One generation of driver pools to one server, or the probe's own. Lives until its last client is
 * destroyed and nobody means to connect to it; closed by the reaper. */
struct endpoint {
    struct sync_mpsc_node node; /* plain; in the reaper's queue once refs is 0 */
    struct supervisor *supervisor;
    struct target *target; /* holds a reference */
    enum connection_tier tier;
    uint32_t shard_count;
    void
        *shards[SUPERVISOR_MAX_SHARDS]; /* driver endpoints; written while opening, by one thread */
    char address[192];
    char database[64];
    char app_name[129];
    /* writes/reads: supervisor, connectors, reaper; order: acq_rel on the way down
     * why: who drops the last reference must see all uses before it */
    _Atomic uint32_t refs;
    /* Per driver pool. writes: who saw a socket break (stalls_until_ns), connectors and the reaper
     * (clients); reads: supervisor, those who isolate. relaxed: they only choose */
    _Atomic uint64_t stalls_until_ns[SUPERVISOR_MAX_SHARDS];
    _Atomic uint32_t clients[SUPERVISOR_MAX_SHARDS];
    uint32_t serial; /* with the shard: the home of a client */
    bool is_probes;  /* opened to be probed with; no client of the table was ever in it */
    /* writes: driver threads (relaxed); reads: supervisor (relaxed): hints, nothing is ordered by
     * them */
    _Atomic uint32_t beats_ok;
    _Atomic uint32_t beats_failed;
    uint32_t seen_ok, seen_failed; /* [supervisor] */
    bool is_failing;               /* [supervisor] the last beat seen */
    uint32_t failed_in_row;        /* [supervisor] beats since the last that passed */
};

/* `shown` comes first: the pool hands out a pointer to it. */
struct client {
    struct supervisor_client shown;
    struct sync_mpsc_node node; /* plain; in the reaper's queue when it never reached the pool */
    struct endpoint *endpoint;  /* holds a reference */
    uint32_t shard;
};

/* [connector] Both NULL on failure with *error filled. */
struct endpoint *endpoint_open(const struct job *job, uint32_t shards, const char *app_name,
                               uint32_t max_clients, struct base_error *error);
struct client *endpoint_connect(struct endpoint *endpoint, uint32_t shard,
                                struct mongo_error *error);
void endpoint_ref(struct endpoint *endpoint);
/** The driver pool with the fewest clients among those that do not stall now. [supervisor] */
uint32_t endpoint_choose_shard(struct endpoint *endpoint);
/** The last one hands it to the reaper. [any] NULL accepted. */
void endpoint_unref(struct endpoint *endpoint);
/** To the reaper. [any] NULL accepted. */
void client_discard(struct client *client);

/* ---- jobs and connectors: crew.c
 * ------------------------------------------------------------------- */

enum job_kind {
    JOB_CONNECT, /* one client for a slot of the table */
    JOB_PROBE,   /* a fresh connection and a ping */
    JOB_RECOVER, /* a probe that brings a new generation of driver pools and its first client */
    JOB_RENEW,   /* the new generation for a rolling refresh */
    JOB_CALL,    /* one command on the probe client */
    JOB_POKE     /* is anybody there? without the driver */
};
struct job {
    struct sync_mpsc_node node; /* in the queue of completions */
    struct supervisor *supervisor;
    enum job_kind kind;
    enum connection_tier tier;
    struct target *target; /* of that tier when the job was made; holds a reference */
    /* of the target, see struct tier; members_uri may be NULL; found_uri: out */
    char *members_uri, *found_uri;
    struct listener_ports ports;
    uint64_t started_ns, deadline_ns;
    bool is_condemned;   /* [supervisor] */
    bool is_left;        /* [supervisor] of JOB_CALL: a probe has taken its place in the tier */
    bool is_outdated;    /* [supervisor] of JOB_CONNECT: its generation was dropped meanwhile */
    bool holds_slot;     /* of JOB_CONNECT: the slot is CONNECTING for it */
    uint32_t generation; /* of the clients it is to make: goes into appName */
    /* in and out: the probe's own endpoint and client travel with the job that uses them */
    struct endpoint *probe_endpoint;
    struct client *probe_client;
    struct client *old_probe_client; /* out: replaced */
    struct endpoint *old_probe_endpoint;
    bool is_absent; /* out: nobody listens there; the driver was not asked */
    /* out of RECOVER and RENEW; in of CONNECT */
    struct endpoint *data;
    struct client *client;
    struct pool_connect_job pool_job;
    uint32_t shard;          /* of JOB_CONNECT */
    struct poke_report poke; /* out of JOB_POKE */
    enum supervisor_call call;
    struct supervisor_errand *errand; /* of SUPERVISOR_ERRAND: goes with the job */
    supervisor_answer_fn done;
    void *done_ctx;
    /* out */
    struct supervisor_answer answer;
};

struct connector {
    struct sync_thread *thread;
    struct supervisor *supervisor;
    struct sync_parker parker;
    /* writes: supervisor (a job, release), the connector (NULL when done, release); reads: both,
     * acquire. why: the connector must see the job complete; the supervisor reuses idle ones */
    _Atomic(struct job *) job;
    /* writes: supervisor (release); reads: connector (acquire) */
    _Atomic bool must_stop;
    bool is_condemned; /* [supervisor] hangs with its job; when it comes back it serves again */
};

/** Give a job to an idle connector, starting a thread if the plan allows; false: all are taken. */
bool crew_dispatch(struct supervisor *supervisor, struct job *job);
bool crew_has_room(const struct supervisor *supervisor);
/** Task: give up on jobs past their deadline. Due at the earliest deadline in flight. */
uint64_t crew_watch(void *ctx, uint64_t now_ns);
/** A completion came in: it is no longer in flight. */
void crew_forget(struct supervisor *supervisor, struct job *job);
/** After the supervisor thread: stop all connectors; false when some hang and were abandoned. */
bool crew_stop(struct supervisor *supervisor, uint64_t deadline_ns);
/** NULL when memory is out: the caller tries again later. */
struct job *job_create(struct supervisor *supervisor, enum job_kind kind,
                       enum connection_tier tier);
/** Everything a finished job still owns goes to the reaper; frees it. */
void job_dispose(struct job *job);
const char *job_kind_name(enum job_kind kind);
/** [connector] What a job does: job.c. */
void job_run(struct job *job);

/* ---- the supervisor's own state
 * ---------------------------------------------------------------------- */

struct task {
    const char *name;
    supervisor_task_fn run;
    void *ctx;
    uint64_t due_ns;
};

/* One server we may use. [supervisor] but for what a job carries away meanwhile. */
struct tier {
    const char *uri; /* of the target; NULL: not configured */
    struct target *target;
    struct target *next; /* to be taken up when a refresh shows that it works, or NULL */
    /* Of a replica set: the URI with the members that the driver has found, so that the set is
     * found again though the hosts that were named are gone. NULL: none beside those. */
    char *members_uri;
    /* The driver pool for commands of monitors and for probes: of its own, or for commands alone
     * the table's (recover_share_data()). */
    struct endpoint *probe_endpoint;
    struct client *probe_client;
    struct job *job; /* what runs with the two above now */
    /* the endpoint that job took along: valid while the job is; its heartbeats are looked at */
    struct endpoint *lent;
    /* return.c: looking for it while it is missed */
    struct poke_report poked; /* the last answer of this outage */
    uint64_t poked_ns;        /* 0 = none */
    uint64_t poke_due_ns, poke_late_ns, poke_wait_ms;
    uint64_t missed_since_ns, driver_asked_ns;
    bool was_absent;    /* the kernel showed nobody who listens there */
    bool is_poked;      /* a poke is under way */
    bool attempt_waits; /* ... and an attempt for its answer */
    /* witness.c */
    struct supervisor_server_connections server; /* the last that it let us see */
    uint64_t counted_ns;                         /* 0 = never */
    int verdict_said;                            /* enum verdict, in the log */
    int verdict_found;                           /* enum verdict, of the last failure */
    char verdict[160];                           /* "" = none */
    bool was_refused; /* by password, right or URI: only people can mend it */
    bool wants_probe; /* again, when that is over */
    enum job_kind wanted_kind;
    uint64_t probe_started_ns; /* of the last probe that passed */
    uint32_t good_checks;
    uint64_t good_since_ns;
    uint64_t token_ns; /* when the storm limit allowed the last attempt */
    char error[160];   /* the last, for people */
};

struct supervisor {
    uint32_t magic;
    struct supervisor_config config;
    struct base_clock *clock;
    struct pool *pool;
    struct connection *connection;
    struct sync_thread *thread;
    struct sync_parker parker;
    struct sync_thread *reaper;
    struct sync_parker reaper_parker;
    struct sync_parker owner_parker; /* of supervisor_stop(), woken by each client to destroy */

    /* who keeps this memory: owner, connectors, reaper, endpoints
     * order: acq_rel down; why: the last one frees */
    _Atomic uint32_t refs;

    struct sync_mpsc *messages;       /* consumer: the supervisor, after its end the owner */
    struct sync_mpsc *completions;    /* consumer: the supervisor, after its end the reaper */
    struct sync_mpsc *dead_clients;   /* consumer: the reaper */
    struct sync_mpsc *dead_endpoints; /* consumer: the reaper */

    /* The home of the client in each slot of the table: endpoint serial and shard, 0 = none yet.
     * writes: supervisor, before it gives the client to the pool; reads: supervisor_isolate()
     * order: relaxed. why: a stale one evicts a client too many, or leaves one to stall */
    _Atomic uint64_t *homes;
    uint32_t home_count;
    _Atomic uint32_t endpoint_serial; /* connectors, relaxed: unique is enough */

    /* requests. writes: any (release); reads: supervisor (acq_rel exchange); each says only
     * "look again", the exchange pairs with the store */
    _Atomic bool refresh_requested;
    _Atomic bool check_requested;
    _Atomic bool drain_requested;
    _Atomic bool stop_requested;
    /* writes: supervisor, once (release, then wakes the owner); reads: owner (acquire)
     * why: loans are counted, and the end is asked for, only when no new ones are given and those
     * who wait were answered */
    _Atomic bool is_drained;
    /* writes: owner in supervisor_stop (release); reads: reaper (acquire) */
    _Atomic bool reaper_must_finish;
    _Atomic bool is_abandoned; /* written before reaper_must_finish, which publishes it */
    /* jobs not yet disposed of and endpoints not yet closed: the reaper ends when both are 0 */
    _Atomic uint32_t jobs_alive;
    _Atomic uint32_t endpoints_alive;

    /* by tier. writes: driver threads (relaxed); reads: any (relaxed): numbers for people and hints
     */
    struct beats_seen {
        _Atomic uint64_t passed, failed, last_ns, round_trip_ns;
    } beats[CONNECTION_LOCAL];

    /* for reports only: relaxed, written by the supervisor */
    _Atomic uint64_t reconnects, reconnects_denied, refreshes, forced_refreshes, condemned;
    _Atomic uint32_t reconnect_tokens, stuck, connector_count;

    /* Who calls on_state. writes: the supervisor thread, first thing; after its end the one that
     * stops it (relaxed); reads: any (relaxed). why: only that thread has to see its own number */
    _Atomic uint32_t thread_id;

    /* ---- [supervisor] from here ---- */
    struct task tasks[SUPERVISOR_TASKS];
    int task_count;
    uint64_t configure_not_before_ns; /* after a refresh to a new target failed */
    int task_configure;
    int task_attempt, task_tick, task_watch, task_refresh, task_suspect, task_connect;
    struct connector connectors[SUPERVISOR_JOBS]; /* the first connector_count are running */
    struct job *jobs[SUPERVISOR_JOBS];            /* in flight */
    struct storm storm;
    struct tier tiers[CONNECTION_LOCAL]; /* by enum connection_tier; [CONNECTION_NONE] is unused */
    struct endpoint *data;               /* where new clients of the table connect */
    struct client *warm;                 /* validated, not in the table yet */
    uint32_t generation;                 /* of the table */
    uint32_t failed_rounds;              /* of this outage */
    uint32_t connect_allowance, connects_in_flight, connect_failures_in_row;
    uint64_t connect_not_before_ns;
    uint64_t suspect_not_before_ns, suspect_hold_ns, last_suspect_ns;
    char suspect_reason[160];
    bool refresh_after_probe;
    struct job *renew_job;
    bool is_refreshing;
    uint64_t refresh_began_ns;
    bool refresh_warned;
    uint32_t refresh_target;
    bool is_refresh_urgent;
    uint64_t standin_not_before_ns; /* fill.c: a refresh takes its time */
    bool is_closed;
    struct supervisor *next_abandoned; /* [owner] */
};

/* supervisor.c, supervisor_life.c */
void supervisor_main(void *arg);
void supervisor_ref(struct supervisor *supervisor);
void supervisor_unref(struct supervisor *supervisor);
void supervisor_move(struct supervisor *supervisor, enum connection_event event,
                     enum connection_tier tier, const char *reason);
void supervisor_note_next_attempt(struct supervisor *supervisor, uint64_t due_ns,
                                  const char *reason);
enum connection_phase supervisor_phase(const struct supervisor *supervisor);
struct tier *supervisor_tier_in_use(struct supervisor *supervisor);
uint64_t supervisor_now(const struct supervisor *supervisor);

/** A job is past its deadline: whoever waits for it hears that it failed. */
void supervisor_job_overdue(struct supervisor *supervisor, struct job *job, uint64_t now_ns);

/* ask.c: one question at a time to each server */
/** Ask now, beside a monitor's command that hangs; or after the question that is out. */
void ask_server(struct supervisor *supervisor, struct tier *tier, enum job_kind kind,
                uint64_t now_ns);
/** A question of ours is out (a monitor's command is none). */
bool ask_is_out(const struct tier *tier);
/** Give the probe's endpoint and client to a job and start it; false: disposed of, try later. */
bool ask_start(struct supervisor *supervisor, struct tier *tier, struct job *job);
/** The probe's endpoint is free again: ask what was wanted meanwhile. */
void ask_next_wish(struct supervisor *supervisor, struct tier *tier, uint64_t now_ns);

/* recover.c: attempts, tiers, the way back */
void recover_start(struct supervisor *supervisor, uint64_t now_ns);
/** Task: the next attempt, or the next look at the primary from the fallback. */
uint64_t recover_attempt(void *ctx, uint64_t now_ns);
/** An attempt that the storm limit has to allow; false when it does not. */
bool recover_try(struct supervisor *supervisor, enum storm_cause cause, uint64_t now_ns);
/** An attempt was not even worth a token: the round failed. */
void recover_missed(struct supervisor *supervisor, const char *why, uint64_t now_ns);
/** A probe or an attempt ended, or is overdue: job->answer says how. */
void recover_probed(struct supervisor *supervisor, struct job *job, uint64_t now_ns);
/** The tier in use is gone: drop its generation, RECONNECTING, plan the next attempt. */
void recover_lost(struct supervisor *supervisor, enum connection_tier tier, const char *why,
                  uint64_t now_ns);
/** A new generation serves: monitors send their commands through its driver pool from now on, if
 *  an error there stays with its client. The probe's own is closed. */
void recover_share_data(struct supervisor *supervisor);
/** Close the tier's way into the table's driver pool, if it has one. */
void recover_end_sharing(struct tier *tier);

/* suspect.c: evidence against the server in use */
bool suspect_reports(struct supervisor *supervisor, uint64_t now_ns);
bool suspect_heartbeats(struct supervisor *supervisor, uint64_t now_ns);
/** Forget the driver's heartbeats so far: a job's answer says more. */
void suspect_skip_beats(struct endpoint *endpoint, bool passed);
/** Somebody outside wants to know now. */
void suspect_asked_for(struct supervisor *supervisor, uint64_t now_ns);
void suspect(struct supervisor *supervisor, const char *reason, uint64_t now_ns);
uint64_t suspect_due(void *ctx, uint64_t now_ns);

/* return.c: is the lost server back? */
/** Task: poke it while there is none, or only the fallback. */
uint64_t return_poke(void *ctx, uint64_t now_ns);
/** What was known of this outage, or of another server. */
void return_forget(struct tier *tier);
/** A job has poked: keep what it learned, plan the next. */
void return_keep(struct supervisor *supervisor, struct tier *tier, const struct job *job,
                 uint64_t now_ns);
/** Close the probe's driver pool, and its monitor with it. */
void return_drop_probe(struct tier *tier);
/** A timer wants an attempt: true when a poke comes first, or its last answer has settled it. */
bool return_ask_first(struct supervisor *supervisor, uint64_t now_ns);
void return_poked(struct supervisor *supervisor, struct job *job, uint64_t now_ns);

/* witness.c: why there is no answer */
/** Ask the kernel, our own clock and what the server said last: "TIER: VERDICT (DRIVER'S WORDS)",
 *  kept in the tier. `job` failed, or is overdue. */
const char *witness_explain(struct supervisor *supervisor, const struct job *job, uint64_t now_ns);
/** It answered. */
void witness_forget(struct tier *tier);
/** Keep what a call learned of the server's own census. */
void witness_count(struct tier *tier, const struct job *job, uint64_t now_ns);

/* isolate.c: the driver pool of a broken socket */
enum gleaner_status isolate_init(struct supervisor *supervisor);
void isolate_fini(struct supervisor *supervisor);
void isolate_note_home(struct supervisor *supervisor, uint32_t slot, const struct client *client);

/* fill.c: clients for the table */
bool fill_table(struct supervisor *supervisor, uint64_t now_ns);
/** Task: connecting is allowed again after failures. */
uint64_t fill_due(void *ctx, uint64_t now_ns);
void fill_connected(struct supervisor *supervisor, struct job *job, uint64_t now_ns);
/** The validated client that came with a new generation goes in first. */
void fill_put_warm(struct supervisor *supervisor);
/** Forget what was known about connecting to the old generation. */
void fill_restart(struct supervisor *supervisor);
/** The generation is dropped: what still connects for it counts no more. */
void fill_abandon(struct supervisor *supervisor);

/** supervisor_life.c */
enum gleaner_status supervisor_check_config(const struct supervisor_config *config,
                                            struct base_error *error);

/* configure.c: settings that change while it runs */
enum gleaner_status configure_init(struct supervisor *supervisor);
void configure_fini(struct supervisor *supervisor);
bool configure_take_messages(struct supervisor *supervisor, bool is_stopped);
/** Bring the tiers to where the settings want them, as far as that is possible now. */
bool configure_follow(struct supervisor *supervisor, uint64_t now_ns);
uint64_t configure_due(void *ctx, uint64_t now_ns);
/** This job tried what the tier is to change to: it passed, or try again later. */
void configure_renewed(struct supervisor *supervisor, struct job *job, uint64_t now_ns);
/** A probe of a server that is no longer the tier's came back. */
void configure_ask_again(struct supervisor *supervisor, const struct job *job, uint64_t now_ns);
bool configure_is_wanted(const struct supervisor *supervisor, const struct job *job);

/* refresh.c */
uint64_t refresh_due(void *ctx, uint64_t now_ns);
void refresh_begin(struct supervisor *supervisor, uint64_t now_ns);
void refresh_renewed(struct supervisor *supervisor, struct job *job, uint64_t now_ns);
bool refresh_check_done(struct supervisor *supervisor, uint64_t now_ns);
void refresh_cancel(struct supervisor *supervisor);
void refresh_restart_timer(struct supervisor *supervisor, uint64_t now_ns);

/* reaper.c */
void reaper_main(void *arg);
bool reaper_work(struct supervisor *supervisor);
void reaper_wake(void *supervisor);

#endif
