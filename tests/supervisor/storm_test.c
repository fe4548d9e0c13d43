/* SPDX-License-Identifier: Apache-2.0 */
#include "storm.h"
#include <criterion/criterion.h>

#define WINDOW_NS (300 * BASE_NS_PER_S)

static struct storm new_storm(uint32_t limit)
{
    struct storm storm;
    storm_init(&storm, limit, WINDOW_NS, 500 * BASE_NS_PER_MS, 30 * BASE_NS_PER_S, 3);
    return storm;
}

Test(storm, never_lets_more_than_its_limit_through_in_any_window)
{
    struct storm storm = new_storm(10);
    struct base_random random;
    base_random_init(&random, 11);
    uint64_t taken[4096];
    size_t count = 0;
    uint64_t now_ns = 1;
    while (count < BASE_ARRAY_LEN(taken)) { /* as often as it allows, for whatever cause */
        now_ns += base_random_below(&random, 20 * BASE_NS_PER_S);
        if (storm_take(&storm, now_ns, random.s[0] & 1 ? STORM_TIMER : STORM_EVIDENCE)) {
            taken[count++] = now_ns;
        }
    }
    for (size_t i = 10; i < count; i++) {
        cr_assert_geq(taken[i] - taken[i - 10], WINDOW_NS, "attempt %zu", i);
    }
}

Test(storm, keeps_its_last_tokens_for_evidence)
{
    struct storm storm = new_storm(10);
    uint32_t by_timer = 0;
    while (storm_take(&storm, 1, STORM_TIMER)) {
        by_timer++;
    }
    cr_expect_eq(by_timer, 10 - STORM_RESERVE);
    cr_expect(storm_take(&storm, 1, STORM_EVIDENCE));
    cr_expect(storm_take(&storm, 1, STORM_EVIDENCE));
    cr_expect_not(storm_take(&storm, 1, STORM_EVIDENCE));
    cr_expect_eq(storm_tokens(&storm, 1), 0);
    cr_expect_eq(storm_tokens(&storm, 1 + WINDOW_NS), 10);
}

Test(storm, back_off_doubles_up_to_its_cap_with_full_jitter)
{
    struct storm storm = new_storm(10);
    for (uint32_t attempt = 0; attempt < 40; attempt++) {
        uint64_t bound_ns = attempt < 6 ? (500 * BASE_NS_PER_MS) << attempt : 30 * BASE_NS_PER_S;
        uint64_t least = UINT64_MAX, most = 0;
        for (int i = 0; i < 2000; i++) {
            uint64_t jitter_ns = storm_jitter_ns(&storm, attempt);
            least = jitter_ns < least ? jitter_ns : least;
            most = jitter_ns > most ? jitter_ns : most;
        }
        cr_expect_leq(most, bound_ns, "attempt %u", attempt);
        cr_expect_gt(most, bound_ns * 9 / 10, "attempt %u uses its whole range", attempt);
        cr_expect_lt(least, bound_ns / 10, "attempt %u", attempt);
    }
}

Test(storm, only_a_success_that_lasts_resets_the_back_off)
{
    struct storm storm = new_storm(100);
    uint64_t now_ns = BASE_NS_PER_S;
    for (int i = 0; i < 5; i++) {
        storm_failure(&storm, now_ns);
    }
    storm_success(&storm, now_ns);
    storm_failure(&storm, now_ns + BASE_NS_PER_S);
    cr_expect_eq(storm.attempt, 6, "it came and went");
    storm_success(&storm, now_ns);
    storm_failure(&storm, now_ns + 31 * BASE_NS_PER_S);
    cr_expect_eq(storm.attempt, 0);
    cr_expect_eq(storm_next_ns(&storm, now_ns), now_ns, "so the next attempt is immediate");
}

static struct storm with_none_left_for_timers(uint64_t now_ns)
{
    struct storm storm = new_storm(10);
    while (storm_take(&storm, now_ns, STORM_TIMER)) {
        storm_failure(&storm, now_ns);
    }
    return storm;
}

Test(storm, the_first_attempt_after_a_healthy_period_is_immediate_whatever_was_spent)
{
    uint64_t now_ns = BASE_NS_PER_S;
    struct storm storm = with_none_left_for_timers(now_ns);
    storm_success(&storm, now_ns);
    now_ns += 31 * BASE_NS_PER_S;
    storm_failure(&storm, now_ns);
    cr_expect_eq(storm_next_ns(&storm, now_ns), now_ns);
    cr_expect(storm_take(&storm, now_ns, STORM_TIMER));
    storm_failure(&storm, now_ns);
    cr_expect_not(storm_take(&storm, now_ns, STORM_TIMER), "but only the first");
    cr_expect_gt(storm_next_ns(&storm, now_ns), now_ns + 200 * BASE_NS_PER_S);
}

Test(storm, a_planned_way_back_costs_nothing_once_it_has_proved_itself)
{
    uint64_t now_ns = BASE_NS_PER_S;
    struct storm storm = new_storm(10);
    cr_assert(storm_take(&storm, now_ns, STORM_TIMER));
    storm_failure(&storm, now_ns);
    uint64_t planned_ns = now_ns + BASE_NS_PER_S;
    cr_assert(storm_take(&storm, planned_ns, STORM_TIMER));
    storm_success(&storm, planned_ns);
    storm_success_was_planned(&storm, planned_ns);
    cr_expect_eq(storm_tokens(&storm, planned_ns + 29 * BASE_NS_PER_S), 8, "not yet");
    cr_expect_eq(storm_tokens(&storm, planned_ns + 30 * BASE_NS_PER_S), 9);
    cr_expect_eq(storm_tokens(&storm, planned_ns + 31 * BASE_NS_PER_S), 9, "once");
    cr_expect_eq(storm_tokens(&storm, now_ns + WINDOW_NS), 10, "the other one stands till then");
}

Test(storm, a_way_back_to_a_server_that_goes_again_is_paid_for)
{
    uint64_t now_ns = BASE_NS_PER_S;
    struct storm storm = new_storm(10);
    for (uint32_t i = 1; i <= 5; i++, now_ns += 10 * BASE_NS_PER_S) {
        cr_assert(storm_take(&storm, now_ns, STORM_TIMER));
        storm_success(&storm, now_ns);
        storm_success_was_planned(&storm, now_ns);
        storm_failure(&storm, now_ns + 9 * BASE_NS_PER_S);
        cr_expect_eq(storm_tokens(&storm, now_ns), 10 - i);
    }
    storm_success(&storm, now_ns);
    cr_expect_eq(storm_tokens(&storm, now_ns + 40 * BASE_NS_PER_S), 5);
}
