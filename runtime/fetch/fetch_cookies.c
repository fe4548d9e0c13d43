/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cookies: libcurl's engine, with one jar a host (name and port), and a jar is sent to no other.
 * So whether a Domain attribute names a public suffix does not matter: a cookie for all of .co.uk
 * stays in the jar of the host that set it. What that costs: a cookie that one host sets for its
 * sister is not seen by the sister.
 *
 * Bounded: a jar that grew over its limits is emptied, a jar dies with its host (fetch_host.c keeps
 * 4,096 idle ones), libcurl itself refuses lines over 5,000 bytes and more than 50 in one answer.
 */
#include "fetch_internal.h"
#include <string.h>

#define JAR_MAX_COOKIES 64
#define JAR_MAX_BYTES 16384

static bool make_jar(struct fetch_host *host)
{
    if (host->cookies != NULL) {
        return true;
    }
    host->cookies = curl_share_init();
    /* No lock functions: a host belongs to one thread. */
    return host->cookies != NULL &&
           curl_share_setopt(host->cookies, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) == CURLSHE_OK;
}

void fetch_cookies_attach(struct fetch_transfer *x)
{
    if (x->thread->engine->options.use_cookies && make_jar(x->host)) {
        curl_easy_setopt(x->easy, CURLOPT_SHARE, x->host->cookies);
    }
}

void fetch_cookies_seen(struct fetch_transfer *x, size_t len)
{
    x->host->cookies_seen++;
    x->host->cookie_bytes_seen += (uint32_t)len;
    x->got_cookies = true;
}

static void weigh_jar(struct fetch_transfer *x)
{
    struct curl_slist *lines = NULL;
    struct fetch_host *host = x->host;
    host->cookies_seen = host->cookie_bytes_seen = 0;
    if (curl_easy_getinfo(x->easy, CURLINFO_COOKIELIST, &lines) != CURLE_OK) {
        return;
    }
    for (const struct curl_slist *line = lines; line != NULL; line = line->next) {
        host->cookies_seen++;
        host->cookie_bytes_seen += (uint32_t)strlen(line->data);
    }
    curl_slist_free_all(lines);
    if (host->cookies_seen > JAR_MAX_COOKIES || host->cookie_bytes_seen > JAR_MAX_BYTES) {
        base_log_debug("fetch", "event=cookies_dropped host=%s count=%u bytes=%u", host->key,
                       host->cookies_seen, host->cookie_bytes_seen);
        curl_easy_setopt(x->easy, CURLOPT_COOKIELIST, "ALL");
        host->cookies_seen = host->cookie_bytes_seen = 0;
    }
}

void fetch_cookies_detach(struct fetch_transfer *x)
{
    struct fetch_host *host = x->host;
    if (host->cookies == NULL) {
        return;
    }
    if (x->got_cookies &&
        (host->cookies_seen > JAR_MAX_COOKIES || host->cookie_bytes_seen > JAR_MAX_BYTES)) {
        weigh_jar(x);
    }
    curl_easy_setopt(x->easy, CURLOPT_SHARE, NULL);
}

void fetch_cookies_free(struct fetch_host *host)
{
    if (host->cookies != NULL) {
        curl_share_cleanup(host->cookies);
        host->cookies = NULL;
    }
}
