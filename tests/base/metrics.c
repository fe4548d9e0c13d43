/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>

Test(histogram, is_empty_at_first_and_after_reset)
{
    static struct base_histogram histogram;
    cr_assert_eq(base_histogram_quantile(&histogram, 0.5), 0);
    base_histogram_add(&histogram, 1000);
    base_histogram_reset(&histogram);
    cr_assert_eq(base_histogram_count(&histogram), 0);
    cr_assert_eq(base_histogram_max(&histogram), 0);
    cr_assert_eq(base_histogram_quantile(&histogram, 1.0), 0);
}

Test(histogram, quantile_of_one_value_is_right_within_a_sixteenth)
{
    static struct base_histogram histogram;
    struct base_random random;
    base_random_init(&random, 11);
    for (int round = 0; round < 10000; round++) {
        uint64_t value = base_random_next(&random) >> base_random_below(&random, 64);
        base_histogram_reset(&histogram);
        base_histogram_add(&histogram, value);
        uint64_t floor = base_histogram_quantile(&histogram, 0.5);
        cr_assert_leq(floor, value);
        cr_assert_leq(value - floor, value / 16, "%lu gave %lu", value, floor);
        cr_assert_eq(base_histogram_max(&histogram), value);
    }
}

Test(histogram, holds_the_greatest_value_there_is)
{
    static struct base_histogram histogram;
    base_histogram_add(&histogram, UINT64_MAX);
    cr_assert_geq(base_histogram_quantile(&histogram, 1.0), UINT64_MAX / 16 * 15);
}

Test(histogram, quantiles_follow_the_ranks)
{
    static struct base_histogram histogram;
    for (uint64_t value = 1; value <= 1000; value++) {
        base_histogram_add(&histogram, value * 1000);
    }
    cr_assert_eq(base_histogram_count(&histogram), 1000);
    cr_assert_float_eq(base_histogram_mean(&histogram), 500500.0, 0.1);
    static const double quantiles[] = {0.0, 0.5, 0.9, 0.99, 1.0};
    for (size_t i = 0; i < BASE_ARRAY_LEN(quantiles); i++) {
        double exact = 1000.0 + quantiles[i] * 999000.0;
        double got = (double)base_histogram_quantile(&histogram, quantiles[i]);
        cr_assert(got <= exact && got >= exact * 0.93, "%f: %f", quantiles[i], got);
    }
}

Test(counter, adds_up)
{
    struct base_counter counter = {0};
    base_counter_add(&counter, 2);
    base_counter_add(&counter, 40);
    cr_assert_eq(base_counter_get(&counter), 42);
}
