/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fetch.h
 * The door of runtime/fetch: event-driven HTTP. Fetcher threads (one libcurl multi handle each) run
 * thousands of transfers; callers submit requests and take results. Limits, robots.txt, politeness,
 * the address guard, redirects; and the room's pure helpers: robots.txt, sitemaps, charsets.
 */
#ifndef FETCH_H
#define FETCH_H

#include "base.h"
#include "sync.h"
#include "url.h"

/* ---- URLs (links are resolved by runtime/url) ------------------------------------------------ */

/* Parts of a normalised http(s) URL: slices into it. */
struct fetch_url_parts {
    struct base_slice scheme, host, port, path, query; /* port "" = the scheme's own */
    struct base_slice origin; /* scheme://host:port; empty when the URL has credentials */
};
GLEANER_MUST_CHECK enum gleaner_status fetch_url_split(const char *url, size_t len,
                                                       struct fetch_url_parts *out);

/* ---- charset -------------------------------------------------------------------------------- */

/**
 * Decode a body to UTF-8: BOM, then HTTP charset, then <meta> or the XML declaration in the first
 * 1,024 bytes, then UTF-8 if valid and more than ASCII, then a <meta> in the first 64 KiB, then
 * UTF-8 if valid, else windows-1252. Bytes that are UTF-8 already are not copied: *out then points
 * into `body`. Invalid bytes become U+FFFD. *charset gets a static name. `scratch` owns converted
 * bytes.
 */
GLEANER_MUST_CHECK enum gleaner_status fetch_decode(const char *body, size_t len,
                                                    const char *content_type,
                                                    struct base_buffer *scratch,
                                                    struct base_slice *out, const char **charset);
/** False when fetch_decode() has to guess. Thread: [any]; pure. */
bool fetch_charset_is_declared(const char *body, size_t len, const char *content_type);

/* ---- the engine ----------------------------------------------------------------------------- */

struct fetch_engine;

struct fetch_options {
    uint32_t fetcher_threads; /* default 0: one for each 1,024 transfers, 16 at most */
    uint32_t max_transfers;   /* at once in all, default 64 */
    uint32_t max_per_host;    /* default 8 */
    uint32_t delay_ms;        /* between requests to one host, default 0 */
    uint32_t max_delay_ms;    /* the delay of a host follows its latency up to this, never below
                                 delay_ms or its Crawl-delay; default 0: it does not */
    uint32_t connect_ms;      /* default 10,000 */
    uint32_t first_byte_ms;   /* default 20,000 */
    uint32_t total_ms;        /* default 60,000: the slot is free by then, whatever the peer does */
    uint32_t low_speed_bytes; /* default 16 bytes/s ... */
    uint32_t low_speed_s;     /* ... over 15 s */
    uint64_t max_body_bytes;  /* decoded, default 16 MiB */
    uint64_t max_spill_bytes; /* of all bodies under way that went into files together (see
                                 spill_dir), at least max_body_bytes; default 1 GiB */
    uint32_t max_header_bytes; /* default 64 KiB */
    uint32_t max_redirects;    /* default 10; 0 = report redirects instead of following */
    uint32_t max_hold_ms;      /* a host told to wait longer (Retry-After) gives its queued
                                  requests back as FETCH_THROTTLED; default 30,000 */
    const char *user_agent;    /* default gleaner/VERSION */
    const char *robots_agent;  /* product token, default gleaner */
    bool use_robots;           /* default true */
    bool use_env_proxy;        /* default false */
    const char *proxy;         /* of all requests: scheme://[user:password@]host:port; or NULL */
    const char *no_proxy;      /* hosts that go without it, separated by commas; or NULL */
    bool use_cookies;          /* default true: what a host sets goes back to that host alone, for
                                  as long as the engine knows the host */
    const char *const
        *allow_net; /* CIDR blocks that the address guard lets through; default none */
    size_t allow_net_count;
    const char *ca_file; /* default the system's bundle */
    const char *accept;  /* Accept header, default text/html first */
    /* Each body has room for 128 KiB in memory while it comes in (32 KiB with thousands of
     * transfers), up to 1 MiB while all together have less than 2 MiB more than that; a larger one
     * lies in a file without a name in here, which is mapped when it is complete. NULL, or a
     * directory where no file can be opened: that for temporary files. */
    const char *spill_dir;
    bool keep_headers; /* results carry the headers as received; default false */
    /* Called on fetcher threads whenever capacity became free; must be wait-free. May be NULL. */
    void (*on_capacity)(void *ctx);
    void *capacity_ctx;
    /* Asked on fetcher threads before each request, before its connection and once more when that
     * stands: does this host (its name, no port) belong to this process now? Must be wait-free.
     * NULL = always. A request to one that does not is given back as FETCH_THROTTLED with
     * http_status 0. */
    bool (*may_start)(void *ctx, const char *name, size_t len);
    void *may_start_ctx;
    /* What a peer's kernel does not acknowledge within it is not sent again: so much later at most
     * does a request arrive after may_start was asked. 0 (default) = the system's, some minutes. */
    uint32_t unacked_ms;
};
void fetch_options_init(struct fetch_options *options);

GLEANER_MUST_CHECK enum gleaner_status fetch_engine_start(const struct fetch_options *options,
                                                          struct fetch_engine **out,
                                                          struct base_error *error);
/** Cancel what is in flight, stop the threads, free. Results that were not taken are freed with it:
 *  to get them (FETCH_CANCELLED), fetch_drain() first and take until GLEANER_E_CLOSED. Thread:
 * [owner]; nobody else is inside a call on this engine. */
void fetch_engine_stop(struct fetch_engine **engine);
/** The product token that robots.txt and X-Robots-Tag are read for. [any] Valid until the stop. */
const char *fetch_robots_agent(const struct fetch_engine *engine);

enum fetch_class {
    FETCH_OK,       /* 2xx with a body within the limits */
    FETCH_REDIRECT, /* 3xx with a Location, max_redirects 0: `location` is absolute */
    FETCH_NOT_MODIFIED,
    FETCH_HTTP_4XX,
    FETCH_HTTP_5XX,
    FETCH_THROTTLED, /* 429, or 503 with Retry-After: retry_after_ms; with http_status 0 the host
                        is held for long or another process's: the request was not made */
    FETCH_DNS,       /* unknown host or resolver failure */
    FETCH_CONNECT,   /* refused or unreachable */
    FETCH_TLS,
    FETCH_TIMEOUT,       /* connect, first byte, low speed or total; `reason` says which */
    FETCH_NETWORK,       /* reset, short body, protocol error */
    FETCH_TOO_LARGE,     /* body, bomb or headers over the limit */
    FETCH_REDIRECT_LOOP, /* more than max_redirects */
    FETCH_GUARDED,       /* the address guard refused */
    FETCH_ROBOTS,        /* robots.txt forbids; or answered 5xx: http_status is its status */
    FETCH_BAD_URL,       /* or a redirect to none */
    FETCH_CANCELLED,
    FETCH_STORAGE, /* this process has no place for the body now (a full disk, max_spill_bytes): the
                      page's fault it is not, ask again after retry_after_ms */
    FETCH_CLASS_COUNT
};
const char *fetch_class_name(enum fetch_class fetch_class); /* "http_4xx" ... */
/** May a retry help? (408, 429, 5xx, network; never other 4xx) */
bool fetch_class_is_retryable(enum fetch_class fetch_class, int http_status);

struct fetch_request {
    const char *url;                  /* normalised; copied */
    void *user;                       /* comes back in the result */
    const char *etag, *last_modified; /* conditional; or NULL */
    bool follow_redirects; /* up to max_redirects, each hop through guard, robots and politeness */
    bool ignore_robots;
    uint64_t max_bytes; /* no more than the beginning is wanted: asked for with Range, without a
                           content coding, and cut there when the server sends more. 0 = all */
};
struct fetch_result {
    void *user;
    enum fetch_class fetch_class;
    int http_status;            /* 0 = no answer */
    char *url;                  /* effective */
    char *location;             /* of FETCH_REDIRECT, or NULL */
    char *content_type;         /* or NULL */
    char *etag, *last_modified; /* or NULL */
    bool noindex, nofollow;     /* X-Robots-Tag asks it of robots_agent or of all */
    bool no_store;              /* Cache-Control says so */
    char *body;                 /* decoded by content coding; NUL-terminated */
    size_t body_len;
    uint64_t wire_bytes;
    uint64_t retry_after_ms; /* 0 = none; an hour at most, whatever the server says */
    uint64_t hold_ms;        /* no request goes to this host before; 0 = it is not held */
    uint64_t host_delay_ms;  /* in force at this host now: configured, Crawl-delay or adapted */
    uint32_t redirects;
    uint64_t dns_us, connect_us, tls_us, first_byte_us, total_us;
    char reason[200]; /* a sentence for people; "" when OK */
    char *headers;    /* status line and headers, CRLF as received; NULL unless keep_headers */
};
void fetch_result_free(struct fetch_result **result);

/**
 * Hand over a request. Thread: [any]. Never blocks on the network; queues per host.
 * Errors: GLEANER_E_CLOSED; GLEANER_E_NOMEM. A bad URL comes back as a result.
 */
GLEANER_MUST_CHECK enum gleaner_status fetch_submit(struct fetch_engine *engine,
                                                    const struct fetch_request *request);
/** Take a finished transfer. Thread: [any]. GLEANER_E_TIMEOUT at the deadline, GLEANER_E_CANCELLED
 *  after fetch_nudge(), GLEANER_E_CLOSED when stopping and empty. */
GLEANER_MUST_CHECK enum gleaner_status fetch_next(struct fetch_engine *engine, uint64_t deadline_ns,
                                                  struct fetch_result **out);
/**
 * Fetch and wait: the same queues, limits and politeness as fetch_submit(), but the result comes
 * back here and nowhere else. It starts before the host's other requests, and also while results
 * that nobody takes hold those up: who waits here takes none.
 *
 * Thread: [any] but fetchers. Blocks until the deadline; a transfer under way ends by itself then.
 * Owns:   on GLEANER_OK *out is the caller's (any class), see fetch_result_free().
 * Errors: GLEANER_E_INVALID no URL; GLEANER_E_TIMEOUT; GLEANER_E_CLOSED; GLEANER_E_NOMEM.
 */
GLEANER_MUST_CHECK enum gleaner_status fetch_get(struct fetch_engine *engine,
                                                 const struct fetch_request *request,
                                                 uint64_t deadline_ns, struct fetch_result **out);
void fetch_nudge(struct fetch_engine *engine);
/** Cancel everything not started yet; running transfers get until the deadline. Returns at once; no
 *  more requests are accepted, and fetch_next() gives GLEANER_E_CLOSED after the last result. */
void fetch_drain(struct fetch_engine *engine, uint64_t deadline_ns);

struct fetch_stats {
    uint32_t queued, active, hosts, results_waiting;
    uint64_t requests, wire_bytes, body_bytes, connections, robots_fetched;
    uint64_t by_class[FETCH_CLASS_COUNT];
};
void fetch_read_stats(struct fetch_engine *engine, struct fetch_stats *out);
/** Latency of finished transfers (total), ns. */
const struct base_histogram *fetch_latency(const struct fetch_engine *engine);
/** What is known of a host from before: a hold, and the delay that was in force, which is also kept
 *  from now on to its first request. `name`: host, with the port unless it is the scheme's own. It
 *  takes effect before requests that the same thread submits later. Thread: [any].
 *  Errors: GLEANER_E_NOMEM. */
GLEANER_MUST_CHECK enum gleaner_status fetch_recall_host(struct fetch_engine *engine,
                                                         const char *name, uint64_t hold_ms,
                                                         uint64_t delay_ms);
/** Change delays, per-host and total limits at run time. [any] */
void fetch_configure(struct fetch_engine *engine, const struct fetch_options *options);

/* ---- robots.txt: pure functions (RFC 9309) -------------------------------------------------- */

struct fetch_robots;
GLEANER_MUST_CHECK enum gleaner_status fetch_robots_parse(const char *body, size_t len,
                                                          struct fetch_robots **out);
void fetch_robots_free(struct fetch_robots **robots);
struct fetch_robots_answer {
    bool allowed;
    uint32_t line;        /* of the rule that decided, 0 = none */
    double crawl_delay_s; /* < 0 = none */
};
/** `agent` is a product token, compared up to its version ("bot" of "bot/2.1"); `target` is path
 * and query of a normalised URL, or the whole URL. */
void fetch_robots_match(const struct fetch_robots *robots, const char *agent, const char *target,
                        struct fetch_robots_answer *out);
/** Sitemap line i, or NULL past the end. */
const char *fetch_robots_sitemap(const struct fetch_robots *robots, size_t i);

/* ---- sitemaps: pure functions --------------------------------------------------------------- */

/* What a sitemap says. Owned by itself; strings are NUL-terminated. */
struct fetch_sitemap {
    const char **urls, **sitemaps; /* absolute, normalised, unique, in order */
    size_t url_count, sitemap_count;
    bool is_cut; /* a limit, or something broken: there may have been more */
    struct base_arena arena;
};
/**
 * Read a sitemap or an index of sitemaps (XML), RSS, Atom, a list of URLs, or the Sitemap lines of
 * a robots.txt; each also gzipped. `url` is where it came from: relative addresses are resolved
 * against it; NULL or "" = there are none.
 *
 * Thread:  [any]; pure. Nothing is fetched, no entity is expanded.
 * Errors:  GLEANER_E_INVALID / GLEANER_E_UNSUPPORTED `url` is no http(s) URL; GLEANER_E_NOMEM.
 *          Broken content is no error: what can be read is read.
 * Source:  limits of sitemaps.org: 50 MiB after decompression, 50,000 URLs.
 */
GLEANER_MUST_CHECK enum gleaner_status
fetch_sitemap_parse(const char *body, size_t len, const char *url, struct fetch_sitemap **out);
void fetch_sitemap_free(struct fetch_sitemap **sitemap);

/** The address guard alone, for tests and tools: may this address be connected to? `address` is a
 *  numeric IPv4 or IPv6 address. */
struct fetch_guard;
GLEANER_MUST_CHECK enum gleaner_status fetch_guard_create(const char *const *allow_net,
                                                          size_t count, struct fetch_guard **out,
                                                          struct base_error *error);
void fetch_guard_destroy(struct fetch_guard **guard);
bool fetch_guard_allows(const struct fetch_guard *guard, const char *address);

#endif
