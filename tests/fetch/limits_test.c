/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile servers: nothing grows without bound, no slot is held beyond its deadline. */
#include "rig.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;

static void start(void)
{
    rig_start(&rig, 2, HTTP_FIXTURE_TLS);
    rig.options.max_body_bytes = 1u << 20;
}

static void end(void)
{
    rig_end(&rig);
}

TestSuite(limits, .init = start, .fini = end, .timeout = 60);

/* Fetch what is too large: no body comes back, the bytes counted stay near the limit, no slot
 * stays. */
static void expect_too_large(const char *path, const char *reason_part)
{
    struct fetch_stats stats;
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, path));
    cr_expect_eq(r->fetch_class, FETCH_TOO_LARGE, "%s: %s %s", path,
                 fetch_class_name(r->fetch_class), r->reason);
    cr_expect_not_null(strstr(r->reason, reason_part), "%s: %s", path, r->reason);
    cr_expect_not_null(strstr(r->reason, "127.0.0.1:"), "%s", r->reason);
    cr_expect_eq(r->body_len, 0);
    cr_expect_lt(r->wire_bytes, rig.options.max_body_bytes + (2u << 20));
    fetch_result_free(&r);
    fetch_read_stats(rig.engine, &stats);
    cr_expect_eq(stats.active, 0);
}

Test(limits, a_body_over_the_limit_is_cut_off)
{
    rig_engine(&rig);
    rig_expect(&rig, "/huge?bytes=1048576", FETCH_OK, 200, "");
    expect_too_large("/huge?bytes=1048577", "larger than 1048576 bytes");
    expect_too_large("/endless", "body limit");
    expect_too_large("/liar", "body limit");
}

Test(limits, a_bomb_is_stopped_by_its_decoded_size)
{
    struct fetch_stats stats;
    rig_engine(&rig);
    struct fetch_result *r = rig_fetch(&rig, rig_url(&rig, 0, "/bomb?bytes=268435456"));
    cr_assert_eq(r->fetch_class, FETCH_TOO_LARGE, "%s", r->reason);
    cr_assert_lt(r->wire_bytes, 300000);
    fetch_result_free(&r);
    fetch_read_stats(rig.engine, &stats);
    cr_assert_eq(stats.body_bytes, 0);
}

static long resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "VmHWM: %ld", &kib);
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_SLACK_KIB 65536 /* quarantine */
#else
#define MEMORY_SLACK_KIB 4096
#endif

/* At the limits that a crawl has: a body of 16 MiB and more must not lie in memory. */
Test(limits, memory_stays_bounded_under_bombs_and_endless_bodies)
{
    struct fetch_options defaults;
    fetch_options_init(&defaults);
    rig.options.max_body_bytes = defaults.max_body_bytes;
    rig_engine(&rig);
    rig_expect(&rig, "/bomb?bytes=200000", FETCH_OK, 200,
               ""); /* what one transfer needs is there */
    long before = resident_kib();
    for (int i = 0; i < 5; i++) {
        expect_too_large("/bomb?bytes=67108864", "body limit");
        expect_too_large("/endless", "body limit");
        expect_too_large("/headers-endless", "header limit");
        expect_too_large("/header-endless", "header limit");
    }
    cr_assert_lt(resident_kib() - before, MEMORY_SLACK_KIB);
}

Test(limits, headers_are_limited_in_bytes_and_lines)
{
    rig_engine(&rig);
    expect_too_large("/headers-endless?bytes=1000", "larger than 65536 bytes");
    expect_too_large("/headers-endless?bytes=10", "more than 200 header lines");
    expect_too_large("/header-endless", "header limit");
}

/* A deadline is told by its reason; that it came in time is shown by the test coming to its end:
 * the servers behind these paths never do. */
static void expect_timeout(const char *url, const char *which)
{
    struct fetch_stats stats;
    struct fetch_result *r = rig_fetch(&rig, url);
    cr_expect_eq(r->fetch_class, FETCH_TIMEOUT, "%s: %s %s", url, fetch_class_name(r->fetch_class),
                 r->reason);
    cr_expect_not_null(strstr(r->reason, which), "%s: %s", url, r->reason);
    cr_expect_not_null(strstr(r->reason, "127.0.0.1:"), "%s", r->reason);
    fetch_result_free(&r);
    fetch_read_stats(rig.engine, &stats);
    cr_expect_eq(stats.active, 0);
}

Test(limits, a_silent_server_meets_the_first_byte_limit)
{
    rig.options.first_byte_ms = 150;
    rig_engine(&rig);
    expect_timeout(rig_url(&rig, 0, "/silent"), "within 150 ms (first byte limit)");
}

Test(limits, a_handshake_that_never_ends_meets_the_connect_limit)
{
    char url[64];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* the kernel connects, nobody accepts */
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 5), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    rig.options.connect_ms = 150;
    rig_engine(&rig);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", ntohs(at.sin_port));
    expect_timeout(url, "within 150 ms (connect limit)");
    close(fd);
}

Test(limits, a_trickle_meets_the_low_speed_limit)
{
    rig.options.low_speed_s = 1;
    rig.options.low_speed_bytes = 100;
    rig_engine(&rig);
    expect_timeout(rig_url(&rig, 0, "/slow?ms=50"), "slower than 100 bytes/s for 1 s");
}

Test(limits, a_trickle_that_is_fast_enough_meets_the_total_limit)
{
    rig.options.low_speed_s = 1;
    rig.options.low_speed_bytes = 1;
    rig.options.total_ms = 400;
    rig_engine(&rig);
    expect_timeout(rig_url(&rig, 0, "/slow?ms=20&all=1"), "within 400 ms (total limit)");
    expect_timeout(rig_url(&rig, 0, "/liar?bytes=1000&send=10"), "total limit");
}

Test(limits, one_bad_host_never_holds_all_slots)
{
    rig.options.max_transfers = 8;
    rig.options.max_per_host = 6;
    rig_engine(&rig);
    for (int i = 0; i < 20; i++) {
        rig_submit(&rig, rig_url(&rig, 0, "/silent"), NULL);
    }
    for (int i = 0; i < 50; i++) {
        rig_submit(&rig, rig_url(&rig, 1, "/ok"), &rig);
    }
    for (int i = 0; i < 50; i++) {
        struct fetch_result *r = rig_take(&rig);
        cr_assert_eq(r->user, &rig);
        cr_assert_eq(r->fetch_class, FETCH_OK, "%s", r->reason);
        fetch_result_free(&r);
    }
}
