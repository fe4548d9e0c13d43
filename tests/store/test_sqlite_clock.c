/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the embedded store when the machine's is set back. */
#include "store_rig.h"
#include "store_sqlite_internal.h"

/* As after an hour in which the machine's clock was an hour ahead. */
static void set_back_by_an_hour(struct rig *rig)
{
    struct store_sqlite *s = (struct store_sqlite *)rig->store;
    sync_mutex_lock(s->mutex);
    s->clock_ms = base_wall_ms() + 3600000;
    s->clock_at_ns = base_mono_ns();
    sync_mutex_unlock(s->mutex);
}

Test(store_clock, time_goes_on_behind_a_clock_that_was_set_back, .timeout = 60)
{
    struct rig rig = {0};
    struct store_jobs jobs = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    set_back_by_an_hour(&rig);
    struct store_job job = rig_job("http://a/1");
    job.delay_ms = 20;
    cr_assert_eq(rig_put(&rig, &job, 1), 1);
    rig_claim_when_due(&rig, 20, &jobs); /* it comes due: the time limit is for when not */
    rig_claim_when_due(&rig, 20, &jobs); /* and its lease runs out */
    cr_expect_eq(jobs.jobs[0].deliveries, 2);
    store_jobs_fini(&jobs);
    rig_close(&rig);
}

Test(store_clock, it_never_goes_back, .timeout = 60)
{
    struct rig rig = {0};
    cr_assert(rig_open(&rig, RIG_EMBEDDED));
    set_back_by_an_hour(&rig);
    struct store_sqlite *s = (struct store_sqlite *)rig.store;
    sync_mutex_lock(s->mutex);
    int64_t last = base_wall_ms() + 3599000;
    for (int i = 0; i < 100000; i++) {
        int64_t now = store_db_now_locked(s);
        cr_assert_geq(now, last);
        last = now;
    }
    sync_mutex_unlock(s->mutex);
    rig_close(&rig);
}
