/* SPDX-License-Identifier: Apache-2.0 */
/* Every class of answer, from a real server. */
#include "rig.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

static void start(void)
{
    rig_start(&rig, 2, HTTP_FIXTURE_PLAIN);
}

static void start_with_engine(void)
{
    start();
    rig_engine(&rig);
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(answers, .init = start_with_engine, .fini = end, .timeout = 60);
TestSuite(addresses, .init = start, .fini = end, .timeout = 60);
TestSuite(tls, .timeout = 60);

Test(answers, a_page_comes_whole_with_its_headers)
{
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/condition"));
    cr_assert_eq(r->fetch_class, FETCH_OK);
    cr_assert_eq(r->http_status, 200);
    cr_assert_str_eq(r->body, "new");
    cr_assert_eq(r->body_len, 3);
    cr_assert_str_eq(r->content_type, "text/html");
    cr_assert_str_eq(r->etag, "\"v1\"");
    cr_assert_str_eq(r->last_modified, "Mon, 01 Jan 2024 00:00:00 GMT");
    cr_assert(r->noindex);
    cr_assert_not(r->nofollow);
    cr_assert_str_eq(r->url, rig_url(&rig, 0, "/condition"));
    cr_assert_null(r->location);
    cr_assert_gt(r->wire_bytes, 100);
    cr_assert_gt(r->total_us, 0);
    cr_assert_leq(r->first_byte_us, r->total_us + 1000);
    fetch_result_free(&r);
}

Test(answers, every_line_of_x_robots_tag_counts)
{
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/tagged"));
    cr_assert_eq(r->fetch_class, FETCH_OK);
    cr_assert(r->noindex);
    cr_assert_not(r->nofollow, "that was another agent's");
    fetch_result_free(&r);
}

Test(answers, statuses_have_their_classes)
{
    rig_expect(&rig, "/empty", FETCH_OK, 204, "");
    rig_expect(&rig, "/status?code=404", FETCH_HTTP_4XX, 404, "answered 404");
    rig_expect(&rig, "/status?code=403", FETCH_HTTP_4XX, 403, "answered 403");
    rig_expect(&rig, "/status?code=500", FETCH_HTTP_5XX, 500, "answered 500");
    rig_expect(&rig, "/status?code=503", FETCH_HTTP_5XX, 503, "answered 503");
    rig_expect(&rig, "/status?code=429", FETCH_THROTTLED, 429, "too many requests");
    rig_expect(&rig, "/status?code=999", FETCH_NETWORK, 999, "answered 999");
    rig_expect(&rig, "/redirect?code=302", FETCH_BAD_URL, 302, "answered 302");
}

Test(answers, conditional_requests_get_not_modified)
{
    struct fetch_request request = {.url = rig_url(&rig, 0, "/condition"), .etag = "\"v1\""};
    cr_assert_eq(fetch_submit(rig.engine, &request), GLEANER_OK);
    struct fetch_result *r = rig_take(&rig);
    cr_assert_eq(r->fetch_class, FETCH_NOT_MODIFIED);
    fetch_result_free(&r);
    request.etag = NULL;
    request.last_modified = "Mon, 01 Jan 2024 00:00:00 GMT";
    cr_assert_eq(fetch_submit(rig.engine, &request), GLEANER_OK);
    r = rig_take(&rig);
    cr_assert_eq(r->fetch_class, FETCH_NOT_MODIFIED);
    fetch_result_free(&r);
    rig_expect(&rig, "/condition", FETCH_OK, 200, ""); /* the headers do not stick */
}

Test(answers, broken_connections_are_network_errors)
{
    rig_expect(&rig, "/short", FETCH_NETWORK, 200, "before its announced length");
    rig_expect(&rig, "/close", FETCH_NETWORK, 0, "without an answer");
    rig_expect(&rig, "/reset", FETCH_NETWORK, 0, "");
    rig_expect(&rig, "/reset?body=1", FETCH_NETWORK, 200, "broke");
    rig_expect(&rig, "/garbage", FETCH_NETWORK, 0, "");
    rig_expect(&rig, "/coded?how=gzip&broken=1", FETCH_NETWORK, 200, "compressed body");
}

Test(answers, compressed_bodies_are_decoded)
{
    static const char *const paths[] = {"/coded?how=gzip", "/coded?how=deflate"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(paths); i++) {
        struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, paths[i]));
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
        cr_assert_eq(r->body_len, 6003);
        cr_assert_lt(r->wire_bytes, 1000);
        fetch_result_free(&r);
    }
}

/* What libcurl was built with is asked for, and understood. */
Test(answers, brotli_and_zstd_are_negotiated_where_libcurl_has_them)
{
    static const struct {
        const char *name, *path;
        int feature;
    } codings[] = {{"br", "/coded?how=br", CURL_VERSION_BROTLI},
                   {"zstd", "/coded?how=zstd", CURL_VERSION_ZSTD}};
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    rig_engine(&rig);
    struct fetch_result *echo = rig_fetch(&rig, rig_url(&rig, 0, "/echo"));
    const char *asked = strstr(echo->body, "accept-encoding: ");
    cr_assert_not_null(asked, "%s", echo->body);
    for (size_t i = 0; i < BASE_ARRAY_LEN(codings); i++) {
        if ((curl->features & codings[i].feature) == 0) {
            continue;
        }
        cr_expect_not_null(strstr(asked, codings[i].name), "%s", asked);
        struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, codings[i].path));
        cr_expect_eq(r->fetch_class, FETCH_OK, "%s: %s", codings[i].name, r->reason);
        cr_expect_eq(r->body_len, 209, "%s: %zu", codings[i].name, r->body_len);
        cr_expect_eq(strncmp(r->body, "<p>coded xxx", 12), 0);
        fetch_result_free(&r);
    }
    fetch_result_free(&echo);
}

Test(answers, requests_say_who_asks_and_what_is_understood)
{
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/echo"));
    cr_assert_not_null(strstr(r->body, "user-agent: gleaner/"));
    cr_assert_not_null(strstr(r->body, "accept: text/html"));
    cr_assert_not_null(strstr(r->body, "gzip"));
    cr_assert_null(strstr(r->body, "cookie"));
    fetch_result_free(&r);
}

Test(answers, interim_answers_leave_nothing_behind)
{
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/early"));
    cr_assert_eq(r->fetch_class, FETCH_OK);
    cr_assert_str_eq(r->content_type, "text/html");
    fetch_result_free(&r);
}

Test(answers, redirects_are_followed_to_other_hosts)
{
    char path[600];
    snprintf(path, sizeof(path), "/redirect?to=%s", rig_url(&rig, 1, "/redirect?to=ok%23part"));
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, path));
    cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
    cr_assert_eq(r->redirects, 2);
    cr_assert_str_eq(r->url, rig_url(&rig, 1, "/ok"));
    cr_assert_null(r->location);
    fetch_result_free(&r);
}

Test(answers, redirects_are_reported_when_not_followed)
{
    struct fetch_request request = {.url = rig_url(&rig, 0, "/redirect?to=../x%3Fy")};
    cr_assert_eq(fetch_submit(rig.engine, &request), GLEANER_OK);
    struct fetch_result *r = rig_take(&rig);
    cr_assert_eq(r->fetch_class, FETCH_REDIRECT);
    cr_assert_eq(r->http_status, 302);
    cr_assert_str_eq(r->location, rig_url(&rig, 0, "/x?y"));
    fetch_result_free(&r);
}

Test(answers, a_redirect_loop_ends_at_the_limit)
{
    struct http_fixture_entry log[32];
    rig_expect(&rig, "/loop", FETCH_REDIRECT_LOOP, 302, "more than 10 redirects");
    cr_assert_eq(http_fixture_log(&rig.http, 0, log, 32), 11);
}

Test(answers, redirects_to_other_schemes_are_bad_urls)
{
    rig_expect(&rig, "/redirect?to=ftp://x/y", FETCH_BAD_URL, 302, "redirects to something");
    rig_expect(&rig, "/redirect?to=javascript:x", FETCH_BAD_URL, 302, "redirects to something");
    rig_expect(&rig, "/redirect?to=http://", FETCH_BAD_URL, 302, "redirects to something");
}

Test(answers, what_is_no_url_comes_back_as_a_result)
{
    static const char *const bad[] = {"", "x", "ftp://a/b", "http://", "http://a b/", "//a/"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++) {
        struct fetch_result *r = rig_fetch(&rig, bad[i]);
        cr_assert_eq(r->fetch_class, FETCH_BAD_URL, "%s", bad[i]);
        cr_assert_str_eq(r->url, bad[i]);
        fetch_result_free(&r);
    }
}

Test(answers, unknown_names_are_dns_failures)
{
    struct fetch_result *r = rig_fetch(&rig, "http://no-such-host.invalid/x");
    cr_assert_eq(r->fetch_class, FETCH_DNS, "%s: %s", fetch_class_name(r->fetch_class), r->reason);
    cr_assert_not_null(strstr(r->reason, "no-such-host.invalid"));
    fetch_result_free(&r);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

Test(answers, refused_connections_name_the_host)
{
    char url[64], host[32];
    snprintf(host, sizeof(host), "127.0.0.1:%u", free_port());
    snprintf(url, sizeof(url), "http://%s/", host);
    struct fetch_result *r = rig_fetch(&rig, url);
    cr_assert_eq(r->fetch_class, FETCH_CONNECT);
    cr_assert_not_null(strstr(r->reason, host));
    fetch_result_free(&r);
}

Test(addresses, loopback_is_guarded_unless_allowed)
{
    struct http_fixture_entry log[4];
    rig.options.allow_net_count = 0;
    rig_engine(&rig);
    rig_expect(&rig, "/ok", FETCH_GUARDED, 0, "--allow-net CIDR");
    cr_assert_eq(http_fixture_log(&rig.http, 0, log, 4), 0);
}

Test(addresses, a_name_that_resolves_to_a_guarded_address_is_refused)
{
    char url[64];
    rig.options.allow_net_count = 0;
    rig_engine(&rig);
    snprintf(url, sizeof(url), "http://localhost:%u/ok", rig.http.ports[0]);
    struct fetch_result *r = rig_fetch(&rig, url);
    cr_assert_eq(r->fetch_class, FETCH_GUARDED, "%s", r->reason);
    cr_assert_not_null(strstr(r->reason, "--allow-net CIDR"));
    fetch_result_free(&r);
}

Test(addresses, names_are_looked_up_and_pinned)
{
    char url[64];
    rig_engine(&rig);
    snprintf(url, sizeof(url), "http://localhost:%u/ok", rig.http.ports[0]);
    for (int i = 0; i < 3; i++) {
        struct fetch_result *r = rig_fetch(&rig, url);
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
        fetch_result_free(&r);
    }
}

Test(addresses, a_redirect_to_a_guarded_address_is_refused)
{
    static const char *const only[] = {"127.0.0.1/32"};
    rig.options.allow_net = only;
    rig.options.allow_net_count = 1;
    rig_engine(&rig);
    rig_expect(&rig, "/redirect?to=http://127.0.0.2:1/", FETCH_GUARDED, 0, "127.0.0.2");
    rig_expect(&rig, "/redirect?to=http://[::1]:1/", FETCH_GUARDED, 0, "[::1]");
    rig_expect(&rig, "/redirect?to=http://169.254.169.254/", FETCH_GUARDED, 0, "169.254.169.254");
}

Test(tls, self_signed_certificates_are_refused_and_known_ones_pass)
{
    char url[64];
    rig_start(&rig, 1, HTTP_FIXTURE_TLS);
    if (rig.http.tls_port == 0) {
        cr_skip("no openssl program to make a certificate with");
    }
    rig_engine(&rig);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/ok", rig.http.tls_port);
    struct fetch_result *r = rig_fetch(&rig, url);
    cr_assert_eq(r->fetch_class, FETCH_TLS, "%s", r->reason);
    cr_assert_eq(r->http_status, 0);
    fetch_result_free(&r);
    fetch_engine_stop(&rig.engine);

    rig.options.ca_file = rig.http.ca_file;
    rig_engine(&rig);
    r = rig_fetch(&rig, url);
    cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
    cr_assert_gt(r->tls_us, 0);
    fetch_result_free(&r);
    rig_end(&rig);
}
