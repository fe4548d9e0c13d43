/* SPDX-License-Identifier: Apache-2.0 */
/* From a finished transfer to documents, links and one outcome in the worker's batch. */
#include "worker_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_HEX = 16, MAX_HOPS = 10, KEEP_DECODED = 1 << 20 };

static void done(const struct held_job *held, struct store_outcome *outcome)
{
    *outcome = (struct store_outcome){.key = held->job.key,
                                      .token = held->job.token,
                                      .kind = STORE_DONE,
                                      .error_class = "",
                                      .reason = ""};
    memcpy(outcome->id, held->job.id, sizeof(outcome->id));
}

/* Says what failed and why in words that outlive the result. */
static void fail(struct worker *worker, struct held_job *held, bool permanent,
                 uint64_t retry_after_ms, const char *error_class, const char *reason)
{
    struct worker_group *group = worker->group;
    struct store_outcome outcome;
    queue_decide_failure(group->options.queue, &held->job, permanent, retry_after_ms, &outcome);
    outcome.error_class = batch_copy(&worker->batch, error_class);
    outcome.reason = batch_copy(&worker->batch, reason);
    if (outcome.error_class == NULL || outcome.reason == NULL) {
        outcome.error_class = outcome.reason = "";
    }
    if (outcome.kind == STORE_RETRY) {
        base_counter_add(&group->retries, 1);
    }
    batch_add(worker, held, &outcome);
}

static void fail_fetch(struct worker *worker, struct held_job *held,
                       const struct fetch_result *result, enum fetch_class fetch_class,
                       const char *reason)
{
    bool permanent = !fetch_class_is_retryable(fetch_class, result->http_status);
    size_t before = worker->batch.count;
    fail(worker, held, permanent, result->retry_after_ms, fetch_class_name(fetch_class), reason);
    if (worker->batch.count > before && worker->batch.outcomes[before].kind == STORE_DEAD) {
        base_counter_add(&worker->group->failures[fetch_class], 1);
        base_log_debug("worker", "url=%s failed=%s reason=\"%s\"", held->job.url,
                       fetch_class_name(fetch_class), reason);
    }
}

/* Where a crawl starts, what leads away is no link like another: nothing may be left of the crawl,
 * and nobody would know why ("http://a/" that answers with "https://www.a/" is a common start). */
static bool leads_start_away(const struct worker *worker, const struct held_job *held,
                             const char *target, size_t len)
{
    return held->job.depth == 0 &&
           !queue_is_in_scope(worker->group->options.queue, target, len, held->job.depth);
}

/* A redirect of a crawl is a link: its target passes scope, de-duplication, robots and politeness
 * like any other. `via` carries the keys passed so far, so that a loop is seen although the
 * frontier remembers every URL. */
static void follow_redirect(struct worker *worker, struct held_job *held,
                            const struct fetch_result *result)
{
    char via[(MAX_HOPS + 1) * KEY_HEX + 1], key[KEY_HEX + 1], target[KEY_HEX + 1];
    size_t len = strlen(result->location);

    snprintf(key, sizeof(key), "%016llx", (unsigned long long)held->job.key);
    snprintf(target, sizeof(target), "%016llx",
             (unsigned long long)queue_key_of_url(result->location, len));
    if (strcmp(key, target) == 0 || strstr(held->job.via, target) != NULL ||
        strlen(held->job.via) >= MAX_HOPS * KEY_HEX) {
        char reason[160];
        snprintf(reason, sizeof(reason), "the redirects go in a circle or over %d hops", MAX_HOPS);
        fail_fetch(worker, held, result, FETCH_REDIRECT_LOOP, reason);
        return;
    }
    if (leads_start_away(worker, held, result->location, len)) {
        char reason[400];
        snprintf(reason, sizeof(reason), "leads to %.300s, which is not in the crawl's scope",
                 result->location);
        fail_fetch(worker, held, result, FETCH_REDIRECT, reason);
        return;
    }
    snprintf(via, sizeof(via), "%s%s", held->job.via, key);
    queue_links_add(worker->group->options.queue, &worker->batch.links, result->location, len,
                    held->job.depth, via);
    if (worker->batch.links.failed) {
        fail(worker, held, false, 0, "memory", "no memory for the redirect's target");
        return;
    }
    struct store_outcome outcome;
    done(held, &outcome);
    outcome.error_class = "redirect";
    base_counter_add(&worker->group->redirects, 1);
    batch_add(worker, held, &outcome);
}

static void fill_page(const struct worker *worker, const struct held_job *held,
                      const struct fetch_result *result, struct base_slice body,
                      const char *charset, struct gleaner_page *page)
{
    *page = (struct gleaner_page){
        .size = sizeof(*page),
        .url = result->url,
        .url_len = strlen(result->url),
        .body = body.data ? body.data : "",
        .body_len = body.len,
        .content_type = result->content_type ? result->content_type : "",
        .charset = charset,
        .type = held->job.type,
        .http_status = result->http_status,
        .depth = held->job.depth,
        .fetched_at_ms = base_wall_ms(),
        .want_markdown = worker->group->options.markdown || !worker->group->options.is_crawl,
        .want_links = worker->group->options.is_crawl,
        .raw = result->body,
        .raw_len = result->body_len,
        .robots_agent = fetch_robots_agent(worker->group->options.fetch),
    };
}

/* False when a link was lost for want of memory: the page is done again, or what is behind the link
 * would never be found. */
static bool add_links(struct worker *worker, const struct held_job *held)
{
    struct gleaner_task *task = &worker->task;
    const char *at = task->links.data, *end = at + task->links.len;
    while (at < end) {
        size_t len = strlen(at);
        queue_links_add(worker->group->options.queue, &worker->batch.links, at, len,
                        held->job.depth + 1, "");
        at += len + 1;
    }
    return !task->links.failed && !worker->batch.links.failed;
}

static void accept_page(struct worker *worker, struct held_job *held)
{
    struct worker_group *group = worker->group;
    struct gleaner_task *task = &worker->task;
    struct store_outcome outcome;
    bool has_document = worker->batch.documents.count > task->first_document;

    if (!task->nofollow && !add_links(worker, held)) {
        document_list_truncate(&worker->batch.documents, task->first_document);
        fail(worker, held, false, 0, "memory", "no memory for the page's links");
        return;
    }
    done(held, &outcome);
    outcome.content_found = task->has_found ? task->found : has_document;
    if (!group->options.is_crawl) {
        results_add(worker, held, &outcome);
    }
    if (task->noindex || (task->has_found && !task->found)) {
        document_list_truncate(&worker->batch.documents, task->first_document);
    }
    if (has_document) {
        base_counter_add(&group->pages, 1);
    }
    batch_add(worker, held, &outcome);
}

/* It is as it is stored, so it leads where it led. When its document is gone (or the store cannot
 * be asked), the job is claimed again, and the page fetched whole. False: it has another outcome.
 */
static bool keep_stored(struct worker *worker, struct held_job *held)
{
    if (!revisit_read_links(worker, held)) {
        page_release(worker, held);
        return false;
    }
    if (!add_links(worker, held)) {
        fail(worker, held, false, 0, "memory", "no memory for the page's links");
        return false;
    }
    return true;
}

static void accept_unchanged(struct worker *worker, struct held_job *held)
{
    struct store_outcome outcome;
    done(held, &outcome);
    if (!held->is_conditional) { /* an answer to nobody's question */
        batch_add(worker, held, &outcome);
    } else if (keep_stored(worker, held)) {
        outcome.content_found = true;
        revisit_renew(worker, held);
        base_counter_add(&worker->group->unchanged, 1);
        batch_add(worker, held, &outcome);
    }
}

void page_leave(struct worker *worker, struct held_job *held)
{
    struct store_outcome outcome;
    done(held, &outcome);
    if (keep_stored(worker, held)) {
        outcome.error_class = "fresh";
        base_counter_add(&worker->group->fresh, 1);
        batch_add(worker, held, &outcome);
    }
}

static void reject_page(struct worker *worker, struct held_job *held, bool permanent)
{
    struct gleaner_task *task = &worker->task;
    document_list_truncate(&worker->batch.documents, task->first_document);
    base_counter_add(&worker->group->module_failures, 1);
    fail(worker, held, permanent, 0, "module",
         task->last_message.len ? task->last_message.data : "the module gave no reason");
}

static enum gleaner_verdict run_module(struct worker *worker, const struct held_job *held,
                                       const struct module_use *use,
                                       const struct gleaner_page *page)
{
    struct worker_group *group = worker->group;
    struct gleaner_task *task = &worker->task;
    uint64_t start_ns = base_mono_ns();

    document_task_reset(task);
    task->held = held;
    task->module_name = use->module->name;
    task->deadline_ns = start_ns + group_live_value(&group->live.handle_ms) * BASE_NS_PER_MS;
    suspects_enter(group->suspects, worker->index, &held->job);
    gleaner_set_deadline(task->deadline_ns); /* of what the module waits for at a server */
    enum gleaner_verdict verdict = use->module->handle(use->state, worker_host(), task, page);
    gleaner_set_deadline(0);
    suspects_leave(group->suspects, worker->index, &held->job);
    worker_host()->doc_abort(task); /* a document begun and not committed is not emitted */
    worker_host()->check_in(task, 0, 0);
    host_fetch_reset(task, false);
    base_histogram_add(&group->handle_ns, base_mono_ns() - start_ns);
    return verdict;
}

static void process_sitemap(struct worker *worker, struct held_job *held,
                            const struct fetch_result *result)
{
    struct store_outcome outcome;
    if (!sitemap_process(worker, held, result)) {
        fail(worker, held, false, 0, "memory", "no memory for the sitemap's links");
        return;
    }
    done(held, &outcome);
    outcome.error_class = "sitemap";
    batch_add(worker, held, &outcome);
}

/* A site need not have one: that is no failure of the crawl. */
static bool is_missing_sitemap(const struct held_job *held, const struct fetch_result *result)
{
    return sitemap_is_one(&held->job) &&
           !fetch_class_is_retryable(result->fetch_class, result->http_status);
}

/* Another module in the same process could not have done it: it is this page. A delivery is counted
 * with each claim; a page that has had its share of them is not given to a process again. */
static void crash_page(struct worker *worker, struct held_job *held)
{
    struct gleaner_task *task = &worker->task;
    const char *why = task->last_message.len ? task->last_message.data : "";
    bool is_last = held->job.deliveries >= queue_max_deliveries(worker->group->options.queue);
    document_list_truncate(&worker->batch.documents, task->first_document);
    base_counter_add(&worker->group->module_failures, 1);
    if (is_last) {
        base_counter_add(&worker->group->poisoned, 1);
    }
    fail(worker, held, is_last, 0, is_last ? "poison" : "crash", why);
}

static void process_body(struct worker *worker, struct held_job *held, struct fetch_result *result)
{
    struct worker_group *group = worker->group;
    struct module_use use;
    struct gleaner_page page;
    struct base_slice body;
    const char *charset;

    base_buffer_reset(&worker->decoded, KEEP_DECODED);
    if (fetch_decode(result->body, result->body_len, result->content_type, &worker->decoded, &body,
                     &charset) != GLEANER_OK) {
        fail(worker, held, false, 0, "charset", "no memory to decode the page");
        return;
    }
    if (module_acquire(group->options.modules, held->job.type, &use) != GLEANER_OK) {
        fail(worker, held, true, 0, "no_module", "no module takes jobs of this type");
        base_counter_add(&group->module_failures, 1);
        return;
    }
    fill_page(worker, held, result, body, charset, &page);
    enum gleaner_verdict verdict = run_module(worker, held, &use, &page);
    worker->task.noindex |= result->noindex;
    worker->task.nofollow |= result->nofollow;
    if (verdict == GLEANER_PAGE_DONE && !worker->task.noindex) {
        revisit_note(worker, held, result, use.module);
    }
    module_release(group->options.modules, &use);
    if (verdict == GLEANER_PAGE_DONE || verdict == GLEANER_PAGE_SKIPPED) {
        accept_page(worker, held);
    } else if (verdict == MODULE_PAGE_CRASHED) {
        crash_page(worker, held);
    } else {
        reject_page(worker, held, verdict == GLEANER_PAGE_FAILED);
    }
}

void page_release(struct worker *worker, struct held_job *held)
{
    struct store_outcome outcome;
    done(held, &outcome);
    outcome.kind = STORE_RELEASE;
    batch_add(worker, held, &outcome);
}

void page_bury(struct worker *worker, struct held_job *held, uint32_t crashes)
{
    struct store_outcome outcome;
    char reason[120];
    snprintf(reason, sizeof(reason), "the process died %u times with this page inside a module",
             crashes);
    done(held, &outcome);
    outcome.kind = STORE_DEAD;
    outcome.error_class = "poison";
    outcome.reason = batch_copy(&worker->batch, reason);
    outcome.reason = outcome.reason != NULL ? outcome.reason : "";
    base_log_warn("worker", "url=%s dead=poison reason=\"%s\"", held->job.url, reason);
    base_counter_add(&worker->group->poisoned, 1);
    /* Who submits it anew wants it tried anew. */
    suspects_clear(worker->group->suspects, &held->job);
    batch_add(worker, held, &outcome);
}

/* The host is held for longer than the engine keeps requests, or this process has no place for the
 * body: nothing was learnt of the page, so nothing is counted against the job. */
static void postpone(struct worker *worker, struct held_job *held,
                     const struct fetch_result *result)
{
    struct store_outcome outcome;
    done(held, &outcome);
    outcome.kind = STORE_RELEASE;
    outcome.delay_ms = result->retry_after_ms > 0 ? result->retry_after_ms : 1;
    base_counter_add(&worker->group->postponed, 1);
    batch_add(worker, held, &outcome);
}

/* False: it could not be kept, and the job has its outcome. */
static bool show_to_tap(struct worker *worker, struct held_job *held,
                        const struct fetch_result *result)
{
    const struct worker_tap *tap = worker->group->options.tap;
    if (tap == NULL || result->headers == NULL || sitemap_is_one(&held->job) ||
        (result->fetch_class != FETCH_OK && result->fetch_class != FETCH_REDIRECT)) {
        return true;
    }
    uint64_t bytes = tap->page(tap->ctx, worker->index, result, &held->job);
    if (bytes == UINT64_MAX) {
        fail(worker, held, false, 0, "memory", "no memory to keep the page as it came");
        return false;
    }
    worker->batch.result_bytes += bytes;
    worker->batch.has_tapped_pages |= bytes > 0;
    return true;
}

void page_process(struct worker *worker, struct fetch_result *result)
{
    struct held_job *held = result->user;
    struct store_outcome outcome;

    hosts_learn(worker, result);
    if (!show_to_tap(worker, held, result)) {
        return;
    }
    switch (result->fetch_class) {
    case FETCH_OK:
        if (sitemap_is_one(&held->job)) {
            process_sitemap(worker, held, result);
        } else {
            process_body(worker, held, result);
        }
        break;
    case FETCH_REDIRECT:
        follow_redirect(worker, held, result);
        break;
    case FETCH_NOT_MODIFIED:
        accept_unchanged(worker, held);
        break;
    case FETCH_CANCELLED:
        page_release(worker, held);
        break;
    case FETCH_STORAGE:
        postpone(worker, held, result);
        break;
    case FETCH_THROTTLED:
        if (result->http_status == 0) {
            postpone(worker, held, result);
            break;
        }
        fail_fetch(worker, held, result, result->fetch_class, result->reason);
        break;
    default:
        if (is_missing_sitemap(held, result)) {
            done(held, &outcome);
            outcome.error_class = fetch_class_name(result->fetch_class);
            batch_add(worker, held, &outcome);
            break;
        }
        fail_fetch(worker, held, result, result->fetch_class, result->reason);
        break;
    }
}
