/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of runtime/fetch share. Nobody else includes this (tests of the room may). */
#ifndef FETCH_INTERNAL_H
#define FETCH_INTERNAL_H

#include "fetch.h"
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define FETCH_MAX_RETRY_AFTER_MS (UINT64_C(3600) * 1000)
#define FETCH_STORAGE_PAUSE_MS 10000u /* somebody may make room on the disk */
#define FETCH_MAX_HEADER_LINES 200u
#define FETCH_MAX_CRAWL_DELAY_S 60
#define FETCH_ROBOTS_MAX_BYTES (512u * 1024) /* RFC 9309 asks for 500 KiB at least */
#define FETCH_ROBOTS_MAX_REDIRECTS 5

/* ---- pure helpers --------------------------------------------------------------------------- */

bool fetch_guard_allows_socket(const struct fetch_guard *guard, const struct sockaddr *address);
/** Add what a line of X-Robots-Tag asks of `agent` to the result's noindex and nofollow; a date of
 *  unavailable_after before wall_ms is noindex. */
void fetch_read_robots_tag(const char *line, size_t len, const char *agent, int64_t wall_ms,
                           struct fetch_result *result);
/** Append code points as UTF-8. False when memory ran out. */
bool fetch_append_points(struct base_buffer *out, const uint32_t *points, size_t count);
/** Append a whole body to `out`, decoded; GLEANER_E_NOMEM. */
enum gleaner_status fetch_decode_shift_jis(const char *body, size_t len, struct base_buffer *out);
enum gleaner_status fetch_decode_iso_2022_jp(const char *body, size_t len, struct base_buffer *out);
/** Milliseconds from now, capped at an hour; 0 for none, a past date or nonsense. */
uint64_t fetch_parse_retry_after(const char *value, size_t len, int64_t wall_ms);
enum fetch_class fetch_class_of_curl(CURLcode code, const char **text);

/* ---- results -------------------------------------------------------------------------------- */

enum fetch_field {
    FIELD_URL,
    FIELD_LOCATION,
    FIELD_CONTENT_TYPE,
    FIELD_ETAG,
    FIELD_LAST_MODIFIED,
    FIELD_COUNT
};

/* Where bodies go that do not fit into memory, and how much of them there is. */
struct fetch_spills {
    char *directory; /* NULL = the one for temporary files; immutable */
    uint64_t most;   /* immutable */
    /* writes: fetchers (add, when a body grows) and whoever frees a box (subtract); relaxed: each
     * body is added before it is written, so the sum is never less than what there is */
    _Atomic uint64_t bytes;
    /* What bodies have in memory beyond their own room. writes: as above, relaxed: added before it
     * is used, so the sum is never less than what there is */
    _Atomic uint64_t extra_bytes;
    struct base_log_limit warned; /* thread-safe by itself */
};

/* The part of one body that is in a file. Belongs to the box's owner. */
struct fetch_spill {
    bool is_open;
    int fd;         /* while it grows */
    uint64_t bytes; /* counted in fetch_spills.bytes */
    uint64_t extra; /* of the part in memory; counted in fetch_spills.extra_bytes */
    char *map;      /* once it is complete: the whole body and a NUL */
    size_t map_bytes;
};

/* A result with its memory. Belongs to the fetcher until pushed, then to the consumer, then (freed)
 * to its home again: bodies and texts keep their buffers. */
struct fetch_box {
    struct fetch_result result; /* first: what the door hands out */
    uint32_t magic;
    struct fetch_results *home;
    struct fetch_box *next;
    struct fetch_spills *spills; /* its home's */
    struct base_buffer body;     /* the body, or what its file does not have yet */
    struct fetch_spill spill;
    struct base_buffer headers;     /* as received, when they are kept */
    struct base_buffer text;        /* fields, one after the other, each with its NUL */
    uint32_t field_at[FIELD_COUNT]; /* offset + 1 into text; 0 = none */
};

/* Finished results and the free boxes. Outlives the engine while boxes are out. */
struct fetch_results;
/** Bodies spill into `spill_dir` (NULL = the directory for temporary files), `most_spilled` bytes
 * of all of them together. */
GLEANER_MUST_CHECK enum gleaner_status
fetch_results_create(const char *spill_dir, uint64_t most_spilled, struct fetch_results **out);
/** The engine lets go: queued results are freed, the rest when its boxes came home. */
void fetch_results_close(struct fetch_results **results);
struct fetch_box *fetch_box_take(struct fetch_results *results);
void fetch_box_free(struct fetch_box *box);
void fetch_box_set(struct fetch_box *box, enum fetch_field field, const char *text, size_t len);
/** Forget what an earlier answer of the same request left (before a redirect's next hop). */
void fetch_box_clear_answer(struct fetch_box *box);
/** Point the result's strings into the text, once that no longer moves. */
void fetch_box_seal(struct fetch_box *box);

/* ---- bodies (fetch_spill.c) ----------------------------------------------------------------- */

#define FETCH_SPILL_FULL (-1) /* beside errno values: all bodies together are too large */
bool fetch_spills_init(struct fetch_spills *spills, const char *directory, uint64_t most);
void fetch_spills_fini(struct fetch_spills *spills);
/** How much room in memory each body has while it comes in; it may get more, up to 1 MiB. */
uint64_t fetch_spill_keep_bytes(uint32_t max_transfers);
/** So many bytes are to come: make the room that they get in memory. */
void fetch_body_expect(struct fetch_box *box, uint64_t bytes, uint64_t keep_bytes);
/** Add to a body that has room for keep_bytes in memory. 0, ENOMEM, FETCH_SPILL_FULL, or why there
 * is no file or no room in it (errno): the body is to be dropped then. */
int fetch_body_append(struct fetch_box *box, const char *data, size_t len, uint64_t keep_bytes);
uint64_t fetch_body_len(const struct fetch_box *box);
/** It is all there: map what is in the file. Results as above. Once, before the box is sealed. */
int fetch_body_complete(struct fetch_box *box);
void fetch_body_drop(struct fetch_box *box);
/** A sentence for people about what append or complete said; also logged, once a minute. */
void fetch_spill_explain(const struct fetch_box *box, int why, char *out, size_t size);

/** Hand over a chain of `count` sealed boxes: one lock, at most one wake-up. */
void fetch_results_push(struct fetch_results *results, struct fetch_box *first,
                        struct fetch_box *last, uint32_t count);
/** One more request is on its way; its push takes it back. */
void fetch_results_expect(struct fetch_results *results);
/** Take an expectation back: its request was refused. */
void fetch_results_unexpect(struct fetch_results *results);
/** Nothing more is expected than what is under way: consumers get CLOSED when all was taken. */
void fetch_results_finish(struct fetch_results *results);
/** *hungry: the queue is half empty again, so that whoever waits for room may be woken. */
enum gleaner_status fetch_results_next(struct fetch_results *results, uint64_t deadline_ns,
                                       struct fetch_box **out, bool *hungry);
void fetch_results_nudge(struct fetch_results *results);
uint32_t fetch_results_waiting(struct fetch_results *results);
/** May another transfer start? False while consumers lag behind (results, or bytes of bodies). */
bool fetch_results_have_room(struct fetch_results *results, uint32_t max_transfers,
                             uint32_t unpushed);

/* ---- timers --------------------------------------------------------------------------------- */

/* A binary heap of deadlines; one per fetcher thread, plain. */
enum fetch_timer_kind { TIMER_TRANSFER, TIMER_HOST };
struct fetch_timer {
    uint64_t at_ns;
    size_t index; /* in the heap + 1; 0 = not in it */
    enum fetch_timer_kind kind;
};
struct fetch_timers {
    struct fetch_timer **heap;
    size_t count, cap;
};
/** (Re)schedule. False without memory. */
bool fetch_timer_set(struct fetch_timers *timers, struct fetch_timer *timer, uint64_t at_ns);
void fetch_timer_cancel(struct fetch_timers *timers, struct fetch_timer *timer);
/** The earliest one, or NULL. */
struct fetch_timer *fetch_timer_first(const struct fetch_timers *timers);
void fetch_timers_fini(struct fetch_timers *timers);

/* ---- messages to a fetcher thread ----------------------------------------------------------- */

enum fetch_message_kind { MESSAGE_JOB, MESSAGE_ROBOTS, MESSAGE_LOOKUP, MESSAGE_RECALL };
struct fetch_message {
    struct sync_mpsc_node node;
    enum fetch_message_kind kind;
};

/* ---- somebody who waits for one result (fetch_get.c) ---------------------------------------- */

struct fetch_waiter;
/** Hand over the result, or NULL when there will be none. The waiter is gone for the caller. */
void fetch_waiter_deliver(struct fetch_waiter *waiter, struct fetch_box *box);

/* One request on its way: submitted, queued at its host, in a transfer, at its next hop. Owned by
 * exactly one of: an inbox, a host's queue, a transfer. */
struct fetch_job {
    struct fetch_message message; /* MESSAGE_JOB */
    struct fetch_job *next;
    void *user;
    char *url;
    char *etag, *last_modified;
    uint64_t started_ns; /* first hop's start of transfer; 0 = not yet */
    uint32_t hops;
    bool is_followed; /* where a redirect led, or the robots.txt of that */
    bool follow;
    bool ignore_robots;
    bool retried; /* a kept-alive connection was closed under it: the next try takes a new one */
    uint64_t max_bytes;          /* 0 = all */
    struct fetch_waiter *waiter; /* NULL = its result goes to the queue of results */
    /* of a robots.txt request: whose it is */
    bool is_robots;
    bool robots_tls;
    char *robots_key;
};

/* The answer for a host's robots.txt, sent to the host's thread. */
struct fetch_robots_message {
    struct fetch_message message; /* MESSAGE_ROBOTS */
    char *key;
    bool tls;
    enum fetch_class fetch_class; /* FETCH_OK: rules; else why pages fail */
    int http_status;
    uint64_t retry_after_ms;
    struct fetch_robots *robots; /* NULL with FETCH_OK = everything is allowed */
    char reason[200];
};

/* What is known of a host from before, sent to the host's thread, which frees it. */
struct fetch_recall {
    struct fetch_message message; /* MESSAGE_RECALL */
    char *key;
    uint64_t hold_ms, delay_ms;
};

/* ---- look-ups ------------------------------------------------------------------------------- */

struct fetch_resolver;
struct fetch_thread;
/* The answer of one look-up, sent to the asking thread, which frees it. */
struct fetch_lookup {
    struct fetch_message message; /* MESSAGE_LOOKUP */
    struct fetch_lookup *next;
    struct fetch_thread *thread;
    char *key; /* of the host that asked */
    char *name;
    uint64_t serial; /* the host's; an answer to an older question is dropped */
    /* answer */
    char *addresses; /* comma separated, those that the guard lets through; NULL = none */
    bool guarded;    /* there were addresses, and the guard refused every one */
    char reason[160];
};
/** On GLEANER_OK the guard is the resolver's, which frees it last. */
GLEANER_MUST_CHECK enum gleaner_status fetch_resolver_create(struct fetch_guard *guard,
                                                             struct fetch_resolver **out);
void fetch_resolver_destroy(struct fetch_resolver **resolver);
/** Queue a look-up; it comes back through fetch_thread_send(). Ownership goes in. */
void fetch_resolver_submit(struct fetch_resolver *resolver, struct fetch_lookup *lookup);
void fetch_lookup_free(struct fetch_lookup *lookup);

/* ---- hosts ---------------------------------------------------------------------------------- */

struct fetch_queue {
    struct fetch_job *head, *tail;
    uint32_t count;
};

enum fetch_place {
    PLACE_IDLE,    /* nothing to do; in the list of idle hosts, oldest first */
    PLACE_READY,   /* may start a request now; in the round of ready hosts */
    PLACE_TIMED,   /* waits for its time; in the thread's timers */
    PLACE_BLOCKED, /* waits for an event: an answer, a look-up, robots.txt */
};

enum fetch_dns { DNS_NONE, DNS_PENDING, DNS_OK, DNS_FAILED, DNS_GUARDED };
enum fetch_gate_state { GATE_NONE, GATE_PENDING, GATE_OPEN, GATE_SHUT };

/* What robots.txt of one origin says. */
struct fetch_gate {
    enum fetch_gate_state state;
    enum fetch_class shut_class; /* of GATE_SHUT: how its pages fail */
    int shut_status;
    uint32_t shut_count;         /* answers in a row that shut it */
    uint64_t until_ns;           /* asked again after this */
    struct fetch_robots *robots; /* of GATE_OPEN; NULL = everything is allowed */
    char *reason;
};

/* One host: name and port, http and https of the default ports together. Plain: only its fetcher
 * thread touches it. */
struct fetch_host {
    uint64_t hash;
    struct fetch_host *chain;       /* in its bucket */
    struct fetch_host *prev, *next; /* in the ready round or the idle list */
    char *key;                      /* "name" or "name:port" */
    char *name;                     /* without port and brackets */
    bool default_port;
    bool numeric;
    enum fetch_place place;
    struct fetch_timer timer;  /* of PLACE_TIMED, and the look-up's deadline */
    struct fetch_queue urgent; /* robots.txt and next hops */
    struct fetch_queue queue;
    uint32_t active;
    bool waits_robots;   /* the next request waits for a robots.txt that is on its way */
    uint32_t unanswered; /* transfers without a first byte while a delay is in force */
    uint64_t next_start_ns, hold_until_ns, crawl_delay_ns;
    uint64_t adapted_delay_ns;                /* by latency; 0 = not yet, or not wanted */
    uint32_t throttled_in_row;                /* 429 without Retry-After since the last success */
    bool has_started;                         /* some request went there */
    CURLSH *cookies;                          /* its jar; made with the first request */
    uint32_t cookies_seen, cookie_bytes_seen; /* since the jar was counted */
    enum fetch_dns dns;
    uint64_t dns_until_ns, lookup_serial;
    bool dns_late; /* the look-up did not answer in time */
    char *dns_reason;
    char *addresses;
    uint64_t pinned_serial;     /* what libcurl was told; 0 = nothing */
    struct fetch_gate gates[2]; /* http, https */
};

/* ---- transfers ------------------------------------------------------------------------------ */

/* Why we ended a transfer ourselves. */
enum fetch_verdict {
    VERDICT_NONE,
    VERDICT_GUARDED,
    VERDICT_BODY,
    VERDICT_HEADER_BYTES,
    VERDICT_HEADER_LINES,
    VERDICT_CONNECT,
    VERDICT_FIRST_BYTE,
    VERDICT_LOW_SPEED,
    VERDICT_TOTAL,
    VERDICT_CANCELLED,
    VERDICT_ENOUGH,   /* robots.txt: the part that counts is here */
    VERDICT_AGAIN,    /* libcurl would repeat the request at once, but the host has a delay */
    VERDICT_NOT_OURS, /* the host went to another process while the connection was made */
    VERDICT_NOMEM,
    VERDICT_STORAGE, /* no place for the body: body_error says why */
};

/* One easy handle, used again and again. Plain: only its fetcher thread touches it. */
struct fetch_transfer {
    CURL *easy;
    struct fetch_thread *thread;
    struct fetch_transfer *next, *prev; /* free list (next only), or the running ones */
    struct fetch_job *job;
    struct fetch_host *host;
    struct fetch_box *box;
    struct curl_slist *headers, *pins; /* of this request only */
    enum fetch_verdict verdict;
    struct fetch_timer timer;
    uint64_t started_ns, connected_ns, first_byte_ns;
    uint64_t speed_since_ns, speed_bytes;
    uint64_t body_limit;
    uint64_t keep_bytes; /* of the body in memory */
    int body_error;      /* of VERDICT_STORAGE: what fetch_body_append() or _complete() said */
    uint64_t announced;  /* Content-Length of an uncoded body */
    uint64_t retry_after_ms;
    uint32_t header_bytes, header_lines;
    bool coded;
    bool ranged;     /* told libcurl to ask for the beginning alone */
    bool fresh;      /* told libcurl to take a new connection */
    bool unanswered; /* counted in host->unanswered */
    bool got_cookies;
};

/* ---- one fetcher thread --------------------------------------------------------------------- */

#define FETCH_SOCKET_SLOTS 1024 /* to begin with */

struct fetch_thread {
    struct fetch_engine *engine;
    struct sync_thread *thread;
    struct sync_mpsc *inbox;
    int epoll_fd, event_fd;
    /* 1 while it is about to sleep or sleeps
     * writes: the thread (1 before it looks at the inbox for the last time, 0 after), senders (0
     * after their push); who finds a 1 there writes the eventfd order:  exchanges only, acq_rel: of
     * two of them, the later one reads from the earlier one why:    either the sender sees the 1,
     * or the thread sees the message; without a fence, which ThreadSanitizer does not know */
    _Atomic uint32_t sleeping;
    /* 1 when it could not start for want of a slot or of room for results
     * writes: the thread (1), whoever wakes it (0); order: seq_cst with the slot counter */
    _Atomic uint32_t starved;
    /* reports only, relaxed; single writer: the thread */
    _Atomic uint32_t queued, active, hosts;

    /* plain: the thread's own */
    CURLM *multi;
    uint64_t now_ns;
    uint64_t curl_deadline_ns; /* of libcurl's timer; UINT64_MAX = none */
    struct fetch_timers timers;
    uint8_t *sockets; /* per descriptor: low nibble wanted by libcurl, high nibble in epoll */
    size_t socket_count;
    struct fetch_transfer *free_transfers, *running;
    struct curl_slist *unpins; /* addresses that libcurl may forget, told with the next pins */
    struct fetch_host **buckets;
    size_t bucket_count, host_count;
    struct fetch_host *ready_head, *ready_tail, *idle_head, *idle_tail;
    struct fetch_box *done_head, *done_tail;
    uint32_t done_count;
    uint32_t awaited; /* queued jobs that somebody waits for */
    struct url_parser *urls;
    uint64_t next_lookup_serial;
    uint64_t seen_generation; /* of engine->generation */
    bool draining;
};

struct fetch_engine {
    struct fetch_options
        options; /* strings are ours; numbers that change are in the atomics below */
    struct fetch_guard *guard;
    struct fetch_results *results;
    struct fetch_resolver *resolver;
    struct curl_slist *headers;
    struct fetch_thread **threads;
    uint32_t thread_count;
    /* writes: fetch_configure, relaxed, then generation with release; reads: fetchers after an
     * acquire of generation, or relaxed: an old value is used once more at most */
    _Atomic uint32_t max_transfers, max_per_host, delay_ms, max_delay_ms;
    _Atomic uint64_t generation;
    /* Running transfers of all threads. writes/reads: fetchers, seq_cst with thread->starved:
     * either a freed slot is seen by the thread that wants it, or that thread is seen starved */
    _Atomic uint32_t active;
    _Atomic uint32_t starved_count;
    /* writes: fetch_drain and stop (release, then the eventfd); reads: fetchers, acquire */
    _Atomic uint64_t drain_deadline_ns; /* 0 = no drain */
    _Atomic bool stopping;
    struct base_histogram latency;
    struct base_counter requests, wire_bytes, body_bytes, connections, robots_fetched;
    struct base_counter by_class[FETCH_CLASS_COUNT];
};

/* fetch_engine.c */
void fetch_engine_capacity(struct fetch_engine *engine);
void fetch_engine_wake_starved(struct fetch_engine *engine);
struct fetch_thread *fetch_engine_thread_of(struct fetch_engine *engine, const char *key,
                                            size_t len);
/** Host key of a split URL: name, with the port unless it is the scheme's. `out` >= 300 bytes. */
bool fetch_host_key(const struct fetch_url_parts *parts, char *out, size_t size);

/* fetch_thread.c */
GLEANER_MUST_CHECK enum gleaner_status fetch_thread_create(struct fetch_engine *engine,
                                                           struct fetch_thread **out);
GLEANER_MUST_CHECK enum gleaner_status fetch_thread_start(struct fetch_thread *thread);
void fetch_thread_join(struct fetch_thread *thread);
void fetch_thread_destroy(struct fetch_thread **thread);
/** Put a message into its inbox. Thread: [any]. */
void fetch_thread_send(struct fetch_thread *thread, struct fetch_message *message);
void fetch_thread_wake(struct fetch_thread *thread);
/** For libcurl: close a socket and forget it. */
int fetch_thread_close_socket(void *ctx, curl_socket_t fd);

/* fetch_job.c: jobs from one hand to the next */
struct fetch_job *fetch_job_create(const struct fetch_request *request);
void fetch_job_free(struct fetch_job *job);
bool fetch_job_replace_url(struct fetch_job *job, const char *url, size_t len);
/** Send a job to the thread of its host. False when its URL is none. */
bool fetch_job_route(struct fetch_engine *engine, struct fetch_job *job);
/** End a job: its box becomes a result (box may be NULL), or its robots.txt answer is sent. */
void fetch_job_finish(struct fetch_thread *thread, struct fetch_job *job, struct fetch_box *box,
                      enum fetch_class fetch_class, int http_status, const char *reason, ...)
    GLEANER_PRINTF(6, 7);
void fetch_queue_push(struct fetch_queue *queue, struct fetch_job *job);
void fetch_queue_push_front(struct fetch_queue *queue, struct fetch_job *job);
struct fetch_job *fetch_queue_pop(struct fetch_queue *queue);

/* fetch_host.c: the table of hosts and the schedule */
struct fetch_host *fetch_host_find(struct fetch_thread *thread, const char *key, bool create);
void fetch_hosts_free(struct fetch_thread *thread);
void fetch_host_enqueue(struct fetch_thread *thread, struct fetch_job *job);
/** Put the host where it belongs now. Call after everything that changes its prospects. */
void fetch_host_place(struct fetch_thread *thread, struct fetch_host *host);
void fetch_host_timer(struct fetch_thread *thread, struct fetch_host *host);
/** Start what may start. */
void fetch_hosts_pump(struct fetch_thread *thread);
/** The next job in its turn, out of the queue; or NULL. */
struct fetch_job *fetch_host_take_job(struct fetch_thread *thread, struct fetch_host *host);
void fetch_hosts_replace_all(struct fetch_thread *thread);
void fetch_hosts_cancel_all(struct fetch_thread *thread, const char *reason);
void fetch_slot_free(struct fetch_engine *engine);

/* fetch_pace.c: when a host may be asked again */
uint64_t fetch_host_delay_ns(const struct fetch_thread *thread, const struct fetch_host *host);
/** A transfer got its first byte, or ended without one: the delay counts from here. */
void fetch_host_answered(struct fetch_thread *thread, struct fetch_host *host);
/** A transfer ended: its latency moves the delay. `is_good`: an answer that may make it shorter. */
void fetch_host_adapt(struct fetch_thread *thread, struct fetch_host *host, uint64_t latency_ns,
                      bool is_good);
void fetch_host_hold(struct fetch_thread *thread, struct fetch_host *host, uint64_t ms);
/** 429 without a word of how long: a second, doubled each time in a row. Returns the hold. */
uint64_t fetch_host_back_off(struct fetch_thread *thread, struct fetch_host *host);
/** Give back requests that would wait too long. */
void fetch_host_return_held(struct fetch_thread *thread, struct fetch_host *host);
/** Does it belong to this process, or was this led to it? */
bool fetch_host_may_ask(const struct fetch_thread *thread, const struct fetch_host *host,
                        const struct fetch_job *job);
/** Give the job back: the host is another process's. The box may be NULL. */
void fetch_answer_not_ours(struct fetch_thread *thread, const struct fetch_host *host,
                           struct fetch_job *job, struct fetch_box *box);
/** Does it belong to this process? False: its next job was given back. */
bool fetch_host_is_ours(struct fetch_thread *thread, struct fetch_host *host,
                        const struct fetch_job *job);
void fetch_host_on_recall(struct fetch_thread *thread, struct fetch_recall *recall);
void fetch_recall_free(struct fetch_recall *recall);

/* fetch_cookies.c: one jar a host */
void fetch_cookies_attach(struct fetch_transfer *transfer);
/** Note a Set-Cookie header. */
void fetch_cookies_seen(struct fetch_transfer *transfer, size_t len);
/** After the transfer, before its handle serves another host: keep the jar within its limits. */
void fetch_cookies_detach(struct fetch_transfer *transfer);
void fetch_cookies_free(struct fetch_host *host);

/* fetch_gate.c: look-up and robots.txt, before a host's requests may start */
enum fetch_pass { PASS_OPEN, PASS_WAIT, PASS_REFUSED };
/** May requests to this host start, as far as its address goes? */
enum fetch_pass fetch_gate_address(struct fetch_thread *thread, struct fetch_host *host);
/** May this job start, as far as robots.txt goes? */
enum fetch_pass fetch_gate_robots(struct fetch_thread *thread, struct fetch_host *host,
                                  const struct fetch_job *job);
/** Fail a job that robots.txt forbids. */
void fetch_gate_refuse_robots(struct fetch_thread *thread, struct fetch_host *host,
                              struct fetch_job *job);
/** 0, or what robots.txt answered when it was "too many requests" too often: see fetch_gate.c. */
int fetch_gate_throttled_status(const struct fetch_host *host, const struct fetch_job *job);
/** Fail a job of a host whose address is not to be had. */
void fetch_gate_refuse_address(struct fetch_thread *thread, struct fetch_host *host,
                               struct fetch_job *job);
void fetch_gate_on_lookup(struct fetch_thread *thread, struct fetch_lookup *lookup);
void fetch_gate_on_robots(struct fetch_thread *thread, struct fetch_robots_message *message);
void fetch_gate_lookup_late(struct fetch_thread *thread, struct fetch_host *host);
/** End a robots.txt request: parse, decide, tell the host's thread. Frees job and box. */
void fetch_gate_finish(struct fetch_thread *thread, struct fetch_job *job, struct fetch_box *box,
                       enum fetch_class fetch_class, int http_status, const char *reason);
void fetch_gate_message_free(struct fetch_robots_message *message);
void fetch_gates_fini(struct fetch_host *host);

/* fetch_transfer.c, fetch_answer.c */
bool fetch_transfer_start(struct fetch_thread *thread, struct fetch_host *host,
                          struct fetch_job *job);
void fetch_transfer_timer(struct fetch_transfer *transfer);
void fetch_transfer_cancel_all(struct fetch_thread *thread);
/** Read libcurl's completion messages; true when there were any. */
bool fetch_transfers_collect(struct fetch_thread *thread);
void fetch_transfers_free(struct fetch_thread *thread);
/** fetch_callbacks.c: install what libcurl calls. */
void fetch_callbacks_set(struct fetch_transfer *transfer);
/** Classify a finished transfer and end or forward its job. */
void fetch_answer(struct fetch_transfer *transfer, CURLcode code);
/** Sizes and timings, while libcurl still has the transfer. */
void fetch_answer_read_times(struct fetch_transfer *transfer);

#endif
