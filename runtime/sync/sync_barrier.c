/* SPDX-License-Identifier: Apache-2.0 */
/* The heavy one of the two barriers: membarrier(2). liburcu registers and uses it for its own grace
 * periods, but shows it to nobody. */
#include "sync_internal.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* writes: sync_init, once; reads: any; relaxed: who uses it was made after sync_init */
static _Atomic bool is_there;

static int membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

void sync_barrier_init(void)
{
    int commands = membarrier(MEMBARRIER_CMD_QUERY);
    bool is_offered = commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
                      (commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    atomic_store_explicit(&is_there,
                          is_offered && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0,
                          memory_order_relaxed);
}

bool sync_has_heavy_barrier(void)
{
    return atomic_load_explicit(&is_there, memory_order_relaxed);
}

void sync_heavy_barrier(void)
{
    int result = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    BASE_ASSERT(result == 0); /* registered: the manual knows no other way for it to fail */
}
