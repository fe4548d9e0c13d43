/* SPDX-License-Identifier: Apache-2.0 */
/* What stands before a host's requests: its address (look-up, guard) and its robots.txt. */
#include "fetch_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DNS_KEEP_NS (UINT64_C(300) * BASE_NS_PER_S) /* getaddrinfo tells no time to live */
#define DNS_FAILED_KEEP_NS (5 * BASE_NS_PER_S)
#define ROBOTS_KEEP_NS (UINT64_C(24) * 3600 * BASE_NS_PER_S)
/* A server that fails is asked again after a second, then after twice as long each time: a restart
 * of the site must not cost its pages, whose attempts are few. */
#define ROBOTS_5XX_FIRST_NS (1 * BASE_NS_PER_S)
#define ROBOTS_5XX_DOUBLINGS 6 /* 64 s */
/* So often in a row "too many requests" is an answer for the pages, too, and their attempts count:
 * until then they wait. A site that refuses us for good would be asked for ever. */
#define ROBOTS_THROTTLED_MOST 3
/* A host that cannot be reached is asked again soon: its pages' retries bring their own back-off.
 */
#define ROBOTS_FAILED_KEEP_NS (1 * BASE_NS_PER_S)

/* ---- address -------------------------------------------------------------------------------- */

static void begin_lookup(struct fetch_thread *t, struct fetch_host *host)
{
    struct fetch_lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup != NULL) {
        lookup->key = strdup(host->key);
        lookup->name = strdup(host->name);
    }
    if (lookup == NULL || lookup->key == NULL || lookup->name == NULL) {
        if (lookup != NULL) {
            fetch_lookup_free(lookup);
        }
        host->dns = DNS_FAILED;
        host->dns_until_ns = t->now_ns + BASE_NS_PER_S;
        return;
    }
    lookup->message.kind = MESSAGE_LOOKUP;
    lookup->thread = t;
    lookup->serial = host->lookup_serial = ++t->next_lookup_serial;
    host->dns = DNS_PENDING;
    fetch_host_place(t, host);
    fetch_timer_set(&t->timers, &host->timer,
                    t->now_ns + t->engine->options.connect_ms * BASE_NS_PER_MS);
    fetch_resolver_submit(t->engine->resolver, lookup);
}

static void check_numeric(struct fetch_thread *t, struct fetch_host *host)
{
    bool allowed = fetch_guard_allows(t->engine->guard, host->name);
    host->dns = allowed ? DNS_OK : DNS_GUARDED;
    host->dns_until_ns = UINT64_MAX;
}

enum fetch_pass fetch_gate_address(struct fetch_thread *t, struct fetch_host *host)
{
    if (host->dns == DNS_NONE || (host->dns != DNS_PENDING && t->now_ns >= host->dns_until_ns)) {
        if (host->numeric) {
            check_numeric(t, host);
        } else {
            begin_lookup(t, host);
        }
    }
    return host->dns == DNS_OK ? PASS_OPEN : host->dns == DNS_PENDING ? PASS_WAIT : PASS_REFUSED;
}

void fetch_gate_refuse_address(struct fetch_thread *t, struct fetch_host *host,
                               struct fetch_job *job)
{
    if (host->dns == DNS_GUARDED) {
        fetch_job_finish(t, job, NULL, FETCH_GUARDED, 0,
                         "the address guard refuses %s%s (private or special address); allow it "
                         "with --allow-net CIDR",
                         host->key, host->numeric ? "" : " for what its name resolves to");
    } else {
        fetch_job_finish(t, job, NULL, host->dns_late ? FETCH_TIMEOUT : FETCH_DNS, 0,
                         "%s: the name could not be looked up: %s", host->key,
                         host->dns_reason != NULL ? host->dns_reason : "no memory");
    }
    fetch_host_place(t, host);
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = text != NULL ? strdup(text) : NULL;
}

void fetch_gate_lookup_late(struct fetch_thread *t, struct fetch_host *host)
{
    char text[80];
    snprintf(text, sizeof(text), "no answer within %u ms (connect limit)",
             t->engine->options.connect_ms);
    set_text(&host->dns_reason, text);
    host->dns = DNS_FAILED;
    host->dns_late = true;
    host->dns_until_ns = t->now_ns + DNS_FAILED_KEEP_NS;
    host->lookup_serial = 0; /* a late answer is dropped */
}

void fetch_gate_on_lookup(struct fetch_thread *t, struct fetch_lookup *lookup)
{
    struct fetch_host *host = fetch_host_find(t, lookup->key, false);
    if (host == NULL || host->lookup_serial != lookup->serial || host->dns != DNS_PENDING) {
        fetch_lookup_free(lookup);
        return;
    }
    fetch_timer_cancel(&t->timers, &host->timer);
    host->dns_late = false;
    host->dns = lookup->addresses != NULL ? DNS_OK : lookup->guarded ? DNS_GUARDED : DNS_FAILED;
    host->dns_until_ns = t->now_ns + (host->dns == DNS_OK ? DNS_KEEP_NS : DNS_FAILED_KEEP_NS);
    set_text(&host->dns_reason, lookup->reason);
    free(host->addresses);
    host->addresses = lookup->addresses;
    lookup->addresses = NULL;
    fetch_lookup_free(lookup);
    fetch_host_place(t, host);
}

/* ---- robots.txt ----------------------------------------------------------------------------- */

static bool is_tls(const char *url)
{
    return url[4] == 's';
}

/* Ask for the robots.txt of the origin that this URL belongs to. */
static bool ask_robots(struct fetch_thread *t, struct fetch_host *host,
                       const struct fetch_job *asking)
{
    const char *url = asking->url;
    struct fetch_url_parts parts;
    struct base_buffer text = {0};
    struct fetch_job *job = NULL;
    if (fetch_url_split(url, strlen(url), &parts) == GLEANER_OK) {
        base_buffer_append(&text, parts.scheme.data, parts.scheme.len);
        base_buffer_append_str(&text, "://");
        base_buffer_append_str(&text, host->key);
        base_buffer_append_str(&text, "/robots.txt");
    }
    if (text.data != NULL && !text.failed) {
        struct fetch_request request = {
            .url = text.data, .follow_redirects = true, .ignore_robots = true};
        job = fetch_job_create(&request);
    }
    base_buffer_fini(&text);
    if (job == NULL) {
        return false;
    }
    job->is_robots = true;
    job->is_followed = asking->is_followed;
    job->robots_tls = is_tls(url);
    job->robots_key = strdup(host->key);
    if (job->robots_key == NULL) {
        fetch_job_free(job);
        return false;
    }
    fetch_queue_push_front(&host->urgent, job);
    atomic_fetch_add_explicit(&t->queued, 1, memory_order_relaxed);
    return true;
}

enum fetch_pass fetch_gate_robots(struct fetch_thread *t, struct fetch_host *host,
                                  const struct fetch_job *job)
{
    struct fetch_robots_answer answer;
    struct fetch_gate *gate = &host->gates[is_tls(job->url)];
    if (job->ignore_robots || !t->engine->options.use_robots) {
        return PASS_OPEN;
    }
    if (gate->state != GATE_PENDING && t->now_ns >= gate->until_ns) {
        gate->state = ask_robots(t, host, job) ? GATE_PENDING : gate->state;
        gate->until_ns = 0;
    }
    if (gate->state == GATE_PENDING || gate->state == GATE_NONE) {
        host->waits_robots = gate->state == GATE_PENDING;
        return PASS_WAIT;
    }
    if (gate->state == GATE_SHUT) {
        return PASS_REFUSED;
    }
    if (gate->robots == NULL) {
        return PASS_OPEN;
    }
    fetch_robots_match(gate->robots, t->engine->options.robots_agent, job->url, &answer);
    return answer.allowed ? PASS_OPEN : PASS_REFUSED;
}

void fetch_gate_refuse_robots(struct fetch_thread *t, struct fetch_host *host,
                              struct fetch_job *job)
{
    struct fetch_robots_answer answer;
    struct fetch_gate *gate = &host->gates[is_tls(job->url)];
    if (gate->state == GATE_SHUT) {
        struct fetch_box *box = fetch_box_take(t->engine->results);
        bool is_answer = gate->shut_class == FETCH_THROTTLED || gate->shut_class == FETCH_ROBOTS;
        if (box != NULL && is_answer && gate->until_ns > t->now_ns) {
            /* Earlier nobody is asked, and the attempt would be wasted. */
            box->result.retry_after_ms = (gate->until_ns - t->now_ns) / BASE_NS_PER_MS + 1;
        }
        fetch_job_finish(t, job, box, gate->shut_class, gate->shut_status, "%s",
                         gate->reason != NULL ? gate->reason : "robots.txt is not to be had");
    } else {
        fetch_robots_match(gate->robots, t->engine->options.robots_agent, job->url, &answer);
        fetch_job_finish(t, job, NULL, FETCH_ROBOTS, 0,
                         "robots.txt of %s forbids it to %s (line %u)", host->key,
                         t->engine->options.robots_agent, answer.line);
    }
    fetch_host_place(t, host);
}

void fetch_gate_message_free(struct fetch_robots_message *message)
{
    fetch_robots_free(&message->robots);
    free(message->key);
    free(message);
}

/* What the answer to robots.txt means for the pages (RFC 9309, 2.3.1): rules, everything allowed
 * (4xx), or nothing. A host that could not be reached at all gives its pages that class, which says
 * more than "robots" and may be retried. */
static void judge(struct fetch_robots_message *m, enum fetch_class fetch_class, int http_status,
                  const struct fetch_box *box, const char *reason)
{
    m->http_status = http_status;
    m->fetch_class = fetch_class;
    switch (fetch_class) {
    case FETCH_OK:
        if (box != NULL &&
            fetch_robots_parse(box->body.data, box->body.len, &m->robots) != GLEANER_OK) {
            m->fetch_class = FETCH_ROBOTS;
        }
        break;
    case FETCH_NOT_MODIFIED:
    case FETCH_HTTP_4XX:
    case FETCH_REDIRECT:
    case FETCH_REDIRECT_LOOP: /* more than five: as if there were none */
    case FETCH_BAD_URL:       /* redirected to nowhere */
        m->fetch_class = FETCH_OK;
        break;
    case FETCH_HTTP_5XX:
        m->fetch_class = FETCH_ROBOTS;
        snprintf(m->reason, sizeof(m->reason),
                 "robots.txt of %.100s answered %d: nothing is fetched until it is readable",
                 m->key, http_status);
        return;
    default:
        m->retry_after_ms = box != NULL ? box->result.retry_after_ms : 0;
        break;
    }
    snprintf(m->reason, sizeof(m->reason), "robots.txt: %.180s", reason);
}

void fetch_gate_finish(struct fetch_thread *t, struct fetch_job *job, struct fetch_box *box,
                       enum fetch_class fetch_class, int http_status, const char *reason)
{
    struct fetch_robots_message *m;
    while ((m = calloc(1, sizeof(*m))) == NULL) {
        sync_cpu_relax(); /* without it the host would wait for ever */
    }
    m->message.kind = MESSAGE_ROBOTS;
    m->key = job->robots_key;
    m->tls = job->robots_tls;
    job->robots_key = NULL;
    judge(m, fetch_class, http_status, box, reason);
    base_counter_add(&t->engine->robots_fetched, 1);
    fetch_thread_send(fetch_engine_thread_of(t->engine, m->key, strlen(m->key)), &m->message);
    if (box != NULL) {
        fetch_box_free(box);
    }
    fetch_job_free(job);
}

static void read_crawl_delay(struct fetch_thread *t, struct fetch_host *host,
                             const struct fetch_gate *gate)
{
    struct fetch_robots_answer answer;
    if (gate->robots == NULL) {
        return;
    }
    fetch_robots_match(gate->robots, t->engine->options.robots_agent, "/", &answer);
    if (answer.crawl_delay_s > 0) {
        double seconds = answer.crawl_delay_s > FETCH_MAX_CRAWL_DELAY_S ? FETCH_MAX_CRAWL_DELAY_S
                                                                        : answer.crawl_delay_s;
        host->crawl_delay_ns = (uint64_t)(seconds * (double)BASE_NS_PER_S);
        host->next_start_ns = t->now_ns + fetch_host_delay_ns(t, host);
    }
}

static uint64_t keep_ns_of(const struct fetch_gate *gate, const struct fetch_robots_message *m)
{
    if (gate->state == GATE_OPEN) {
        return ROBOTS_KEEP_NS;
    }
    if (m->retry_after_ms > 0) {
        return m->retry_after_ms * BASE_NS_PER_MS;
    }
    if (m->fetch_class != FETCH_ROBOTS) {
        return ROBOTS_FAILED_KEEP_NS;
    }
    uint32_t doublings = gate->shut_count - 1;
    return ROBOTS_5XX_FIRST_NS << (doublings < ROBOTS_5XX_DOUBLINGS ? doublings
                                                                    : ROBOTS_5XX_DOUBLINGS);
}

/* Status 0 says that nobody answered for the page: it is postponed, and no attempt is counted. */
static int shut_status_of(const struct fetch_gate *gate, const struct fetch_robots_message *m)
{
    bool is_answer = m->fetch_class == FETCH_ROBOTS || (m->fetch_class == FETCH_THROTTLED &&
                                                        gate->shut_count >= ROBOTS_THROTTLED_MOST);
    return is_answer ? m->http_status : 0;
}

/* A throttled host is held until its robots.txt is asked for again: nobody else would tell these.
 */
static void refuse_queued(struct fetch_thread *t, struct fetch_host *host,
                          struct fetch_queue *queue, bool tls)
{
    struct fetch_queue kept = {0};
    struct fetch_job *job;
    while ((job = fetch_queue_pop(queue)) != NULL) {
        if (job->is_robots || job->ignore_robots || is_tls(job->url) != tls) {
            fetch_queue_push(&kept, job);
            continue;
        }
        atomic_fetch_sub_explicit(&t->queued, 1, memory_order_relaxed);
        t->awaited -= job->waiter != NULL;
        fetch_gate_refuse_robots(t, host, job);
    }
    *queue = kept;
}

int fetch_gate_throttled_status(const struct fetch_host *host, const struct fetch_job *job)
{
    const struct fetch_gate *gate = &host->gates[is_tls(job->url)];
    bool is_meant = !job->is_robots && !job->ignore_robots;
    return is_meant && gate->shut_class == FETCH_THROTTLED ? gate->shut_status : 0;
}

void fetch_gate_on_robots(struct fetch_thread *t, struct fetch_robots_message *m)
{
    struct fetch_host *host = fetch_host_find(t, m->key, false);
    if (host == NULL) {
        fetch_gate_message_free(m);
        return;
    }
    struct fetch_gate *gate = &host->gates[m->tls];
    fetch_robots_free(&gate->robots);
    gate->state = m->fetch_class == FETCH_OK ? GATE_OPEN : GATE_SHUT;
    gate->shut_class = m->fetch_class;
    gate->shut_count = gate->state == GATE_OPEN ? 0 : gate->shut_count + 1;
    gate->shut_status = shut_status_of(gate, m);
    gate->robots = m->robots;
    m->robots = NULL;
    set_text(&gate->reason, m->reason);
    gate->until_ns = t->now_ns + keep_ns_of(gate, m);
    host->waits_robots = false;
    read_crawl_delay(t, host, gate);
    if (gate->shut_class == FETCH_THROTTLED && gate->shut_status != 0) {
        refuse_queued(t, host, &host->urgent, m->tls);
        refuse_queued(t, host, &host->queue, m->tls);
    }
    fetch_gate_message_free(m);
    fetch_host_place(t, host);
}

void fetch_gates_fini(struct fetch_host *host)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(host->gates); i++) {
        fetch_robots_free(&host->gates[i].robots);
        free(host->gates[i].reason);
    }
}
