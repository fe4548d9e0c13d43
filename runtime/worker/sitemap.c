/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sitemaps as seeds of a crawl. A sitemap is a job like a page (type "sitemap"), so it is fetched
 * once, politely, tried again and resumed like one. It begins with robots.txt and /sitemap.xml of
 * the seeds (worker_seed_sitemaps); an index gives further ones.
 *
 * Bounded: indexes below each other, sitemaps of an index on the index's own site, pages in all.
 * The pages pass the crawl's scope at depth 0.
 */
#include "worker_internal.h"

#include <string.h>

enum { INDEX_DEPTH_MAX = 3 };

bool sitemap_is_one(const struct store_job *job)
{
    return strcmp(job->type, WORKER_SITEMAP_TYPE) == 0;
}

bool sitemap_is_robots(const char *url)
{
    struct fetch_url_parts parts;
    return fetch_url_split(url, strlen(url), &parts) == GLEANER_OK &&
           base_slice_equal(parts.path, base_slice_of("/robots.txt"));
}

static bool is_same_site(const char *host, const char *url)
{
    size_t len = strlen(host);
    return strncmp(url, host, len) == 0 && (url[len] == '/' || url[len] == '?' || url[len] == 0);
}

/* robots.txt may name a sitemap anywhere; an index speaks for its own site. */
static void add_sitemaps(struct worker *worker, const struct held_job *held,
                         const struct fetch_sitemap *map)
{
    bool is_robots = sitemap_is_robots(held->job.url);
    for (size_t i = 0; i < map->sitemap_count && held->job.depth < INDEX_DEPTH_MAX; i++) {
        const char *url = map->sitemaps[i];
        if (is_robots || is_same_site(held->job.host, url)) {
            queue_links_add_sitemap(worker->group->options.queue, &worker->batch.links, url,
                                    strlen(url), held->job.depth + 1);
        }
    }
}

static void add_pages(struct worker *worker, const struct fetch_sitemap *map)
{
    struct worker_group *group = worker->group;
    uint64_t most = group->options.sitemap_urls;
    for (size_t i = 0; i < map->url_count && base_counter_get(&group->sitemap_urls) < most; i++) {
        if (queue_links_add(group->options.queue, &worker->batch.links, map->urls[i],
                            strlen(map->urls[i]), 0, "")) {
            base_counter_add(&group->sitemap_urls, 1);
        }
    }
}

bool sitemap_process(struct worker *worker, const struct held_job *held,
                     const struct fetch_result *result)
{
    struct fetch_sitemap *map = NULL;
    enum gleaner_status status =
        fetch_sitemap_parse(result->body, result->body_len, result->url, &map);
    if (status != GLEANER_OK) {
        return status != GLEANER_E_NOMEM;
    }
    add_sitemaps(worker, held, map);
    add_pages(worker, map);
    base_log_debug("worker", "sitemap=%s urls=%zu sitemaps=%zu cut=%d", held->job.url,
                   map->url_count, map->sitemap_count, map->is_cut);
    fetch_sitemap_free(&map);
    return !worker->batch.links.failed;
}

enum gleaner_status worker_seed_sitemaps(struct queue *queue, const char *const *seeds,
                                         size_t count, struct base_error *error)
{
    static const char *const places[] = {"/robots.txt", "/sitemap.xml"};
    enum gleaner_status status = GLEANER_OK;
    for (size_t i = 0; i < count * BASE_ARRAY_LEN(places) && status == GLEANER_OK; i++) {
        struct fetch_url_parts parts;
        struct base_buffer url = {0};
        const char *seed = seeds[i / BASE_ARRAY_LEN(places)];
        if (fetch_url_split(seed, strlen(seed), &parts) != GLEANER_OK || parts.origin.len == 0) {
            continue; /* an address with a password: its robots.txt is nobody's business */
        }
        base_buffer_append(&url, parts.origin.data, parts.origin.len);
        base_buffer_append_str(&url, places[i % BASE_ARRAY_LEN(places)]);
        const char *const one[] = {url.data};
        status = url.failed
                     ? base_error_set(error, GLEANER_E_NOMEM, "no memory for a sitemap's URL")
                     : queue_seed(queue, one, 1, WORKER_SITEMAP_TYPE, NULL, error);
        base_buffer_fini(&url);
    }
    return status;
}
