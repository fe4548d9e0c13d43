/* SPDX-License-Identifier: Apache-2.0 */
/* Holds of hosts and the division of hosts between processes: the same for every body. */
#include "store_rig.h"

#include <string.h>

static struct store_host read_host(struct rig *rig, const char *name)
{
    struct store_host host = {.name = name, .hold_ms = 77, .delay_ms = 77};
    RIG_OK(rig, store_hosts_read(rig->store, &host, 1, &rig->error));
    return host;
}

BEHAVIOUR(store_hosts, a_host_never_noted_has_neither_hold_nor_delay)
{
    struct store_host host = read_host(rig, "nobody.example");
    cr_expect_eq(host.hold_ms, 0);
    cr_expect_eq(host.delay_ms, 0);
}

BEHAVIOUR(store_hosts, a_hold_is_found_again_and_never_gets_shorter)
{
    const struct store_host first[] = {{"a.example", 3600000, 250}, {"b.example:8080", 0, 40}};
    const struct store_host second[] = {{"a.example", 1000, 0}};
    RIG_OK(rig, store_hosts_note(rig->store, first, 2, &rig->error));
    RIG_OK(rig, store_hosts_note(rig->store, second, 1, &rig->error));
    struct store_host hosts[] = {{.name = "b.example:8080"}, {.name = "c"}, {.name = "a.example"}};
    RIG_OK(rig, store_hosts_read(rig->store, hosts, 3, &rig->error));
    cr_expect_eq(hosts[0].hold_ms, 0);
    cr_expect_eq(hosts[0].delay_ms, 40);
    cr_expect_eq(hosts[1].delay_ms, 0);
    cr_expect(hosts[2].hold_ms > 3500000 && hosts[2].hold_ms <= 3600100);
    cr_expect_eq(hosts[2].delay_ms, 0, "the last delay counts");
}

BEHAVIOUR(store_hosts, a_note_may_come_twice)
{
    const struct store_host host = {"a.example", 600000, 5};
    RIG_OK(rig, store_hosts_note(rig->store, &host, 1, &rig->error));
    RIG_OK(rig, store_hosts_note(rig->store, &host, 1, &rig->error));
    cr_expect(read_host(rig, "a.example").hold_ms <= 600100);
}

Test(store_share, a_host_is_in_the_same_share_under_any_scheme_and_port)
{
    static const char *const origins[] = {"http://a.example", "https://a.example",
                                          "http://a.example:8080", "a.example",
                                          "https://a.example/path"};
    for (size_t i = 0; i < BASE_ARRAY_LEN(origins); i++) {
        const char *name;
        size_t len;
        store_share_name(origins[i], &name, &len);
        cr_expect_eq(len, strlen("a.example"), "%s", origins[i]);
        cr_expect_eq(store_share_of(name, len), store_share_of("a.example", 9));
    }
    const char *name;
    size_t len;
    store_share_name("http://[::1]:80", &name, &len);
    cr_expect(len == 3 && memcmp(name, "::1", 3) == 0);
}

static struct store_share_state keep(struct rig *rig, const struct store_share_wish *wish)
{
    struct store_share_state state;
    RIG_OK(rig, store_shares_keep(rig->queue, wish, &state, &rig->error));
    return state;
}

BEHAVIOUR(store_share, who_is_alone_owns_every_host)
{
    const struct store_share_wish wish = {.owner = "one", .lease_ms = 60000};
    struct store_share_state state = keep(rig, &wish);
    cr_expect_eq(state.members, 1);
    cr_expect_eq(state.mine, STORE_SHARES);
    cr_expect_eq(state.surplus, 0);
    state = keep(rig, &wish);
    cr_expect_eq(state.mine, STORE_SHARES, "and keeps them");
}

/* The others are about several processes: one embedded file has one. */
#define SEVERAL_PROCESSES(rig)                                                                     \
    if ((rig)->body != RIG_MONGO) {                                                                \
        return;                                                                                    \
    }

static uint32_t both(const struct store_share_state *a, const struct store_share_state *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        n += a->is_mine[i] && b->is_mine[i];
    }
    return n;
}

BEHAVIOUR(store_share, a_second_process_gets_its_half_as_the_first_gives_it)
{
    SEVERAL_PROCESSES(rig)
    struct store_share_wish one = {.owner = "one", .lease_ms = 60000};
    struct store_share_wish two = {.owner = "two", .lease_ms = 60000};
    struct store_share_state first = keep(rig, &one), second = keep(rig, &two);
    cr_expect_eq(second.mine, 0, "nothing is free");
    cr_expect_eq(second.members, 2);
    first = keep(rig, &one);
    cr_assert_eq(first.surplus, STORE_SHARES / 2);
    bool give[STORE_SHARES] = {false};
    for (uint32_t i = 0; i < STORE_SHARES / 2; i++) {
        give[i] = true;
    }
    one.give = give;
    first = keep(rig, &one);
    second = keep(rig, &two);
    cr_expect_eq(first.mine, STORE_SHARES / 2);
    cr_expect_eq(second.mine, STORE_SHARES / 2);
    cr_expect_eq(both(&first, &second), 0);
    cr_expect_eq(second.token[0], 2, "the second owner of this share");
}

BEHAVIOUR(store_share, the_next_owner_waits_out_the_last_ones_delay)
{
    SEVERAL_PROCESSES(rig)
    struct store_share_wish one = {.owner = "one", .lease_ms = 60000, .delay_ms = 50000};
    struct store_share_wish two = {.owner = "two", .lease_ms = 60000};
    keep(rig, &one);
    one.is_leaving = true;
    struct store_share_state gone = keep(rig, &one);
    cr_expect_eq(gone.mine, 0);
    struct store_share_state second = keep(rig, &two);
    cr_assert_eq(second.mine, STORE_SHARES, "%u members", second.members);
    for (uint32_t i = 0; i < STORE_SHARES; i++) {
        cr_assert(second.pause_ms[i] > 40000 && second.pause_ms[i] <= 50300, "%llu",
                  (unsigned long long)second.pause_ms[i]);
    }
}

BEHAVIOUR(store_share, shares_of_a_dead_process_are_taken_after_its_lease)
{
    SEVERAL_PROCESSES(rig)
    struct store_share_wish one = {.owner = "one", .lease_ms = 1};
    struct store_share_wish two = {.owner = "two", .lease_ms = 60000};
    keep(rig, &one); /* and is never heard of again */
    struct store_share_state second;
    do {
        second = keep(rig, &two);
    } while (second.mine < STORE_SHARES);
    cr_expect_geq(second.token[7], 1);
    one.lease_ms = 60000;
    cr_expect_eq(keep(rig, &one).mine, 0, "an owner whose lease ran out has nothing to prolong");
}

BEHAVIOUR(store_share, a_claim_gives_jobs_of_the_named_shares_only)
{
    SEVERAL_PROCESSES(rig)
    struct store_jobs jobs = {0};
    bool shares[STORE_SHARES] = {false};
    rig_put_urls(rig, 2, (const char *[]){"http://a.example/1", "http://b.example/1"});
    uint32_t a = store_share_of("a.example", 9), b = store_share_of("b.example", 9);
    cr_assert_neq(a, b);
    shares[b] = true;
    const struct store_claim how = {
        .max_jobs = 10, .lease_ms = 60000, .owner = "me", .shares = shares};
    RIG_OK(rig, store_claim(rig->queue, &how, &jobs, &rig->error));
    cr_assert_eq(jobs.count, 1);
    cr_expect_str_eq(jobs.jobs[0].url, "http://b.example/1");
    RIG_OK(rig, store_claim(rig->queue, &how, &jobs, &rig->error));
    cr_expect_eq(jobs.count, 0);
    store_jobs_fini(&jobs);
}
