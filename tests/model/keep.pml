/* SPDX-License-Identifier: Apache-2.0 */
/* A model of clients that are kept for one thread (runtime/pool/pool_keep.c, pool_fast.h), for spin.
 *
 * One client, WORKERS threads with LOANS check outs each, a supervisor who clears CLEARS times. The
 * line is a ticket counter, and a retired client is at once replaced by one of the new generation:
 * handle_table.pml has both in full, but no keeps. Each atomic access that another thread can see is
 * one step. A worker stores `out` without a barrier: the store waits in a buffer of its own until its
 * worker does a locked instruction, or the processor writes it, or a heavy barrier makes it.
 * Checked:
 *   H1  a client has one user at a time                       assert in use_client
 *   H2  a check out never gets a client that was outdated     assert in use_client
 *       when it began
 *   order: who takes a kept client is not preferred to        assert in use_kept
 *       somebody who stood in line when he came
 *   H3  no outdated client stays available                    assert in the monitor
 *   H9  nobody waits for ever, no client is lost              no invalid end state, monitor
 * Not modelled: returns by other threads, double returns (stress_handle_table does both).
 *
 * Mutations, each of which must produce an error:
 *   -DMUTATE_BARRIER who recalls a kept client makes no heavy barrier
 *   -DMUTATE_TAKE    who takes his kept client does not look whether it was recalled
 *   -DMUTATE_RETURN  who brings it in does not look either
 *   -DMUTATE_BIND    who has a client kept does not look at gate and queue after that
 *   -DMUTATE_NUMBER  who recalls does not look whether it is still the same binding
 *   -DMUTATE_QUEUE   who takes his kept client does not look at the queue
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef LOANS
#define LOANS 2
#endif
#ifndef CLEARS
#define CLEARS 0
#endif

mtype = { IDLE, CLAIMED, BUSY, KEPT, RECALLED };
mtype = { MINE, WANTED, BACK, TAKEN };

/* the slot; `keeper` and `slot_binding` belong to its keep */
mtype state = IDLE;
byte generation, keeper, slot_binding, users;

byte gate; /* the generation */
byte head, tail;

/* the keep of each worker; `binding` and `recall` are one word */
bool out[WORKERS];
bool is_pending[WORKERS], pending[WORKERS];
mtype recall[WORKERS] = BACK;
byte binding[WORKERS];

byte workers_done;
bool supervisor_done;

/* ---- memory -------------------------------------------------------------------------------------- */

inline drain_buffer(w)
{
    if
    :: is_pending[w] -> out[w] = pending[w]; is_pending[w] = false; pending[w] = false
    :: else -> skip
    fi
}

/* One place in the buffer: an earlier store is out before. */
inline store_out(value)
{
    atomic { drain_buffer(me); pending[me] = value; is_pending[me] = true }
}

inline heavy_barrier()
{
#ifdef MUTATE_BARRIER
    skip
#else
    atomic {
        drain_buffer(0);
#if WORKERS > 1
        drain_buffer(1);
#endif
#if WORKERS > 2
        drain_buffer(2)
#endif
    }
#endif
}

/* ---- the pool's own moves ------------------------------------------------------------------------- */

/* pool_offer of a slot that is CLAIMED: leave and come again as a new client, to the first in line,
 * or IDLE. Then look at gate and line once more (pool_after_idle): repeats while that finds work. */
inline offer()
{
    do
    :: if
       :: generation < gate -> generation = gate /* retired, reaped, connected */
       :: else -> skip
       fi;
       if
       :: atomic { head != tail -> head++ }; break /* CLAIMED for the first in line */
       :: atomic { head == tail -> skip };
          state = IDLE;
          if
          :: head != tail || generation < gate ->
             if
             :: atomic { state == IDLE -> state = CLAIMED }
             :: else -> break /* somebody else has it now */
             fi
          :: else -> break
          fi
       fi
    od
}

#ifdef MUTATE_NUMBER
#define IS_SAME true
#else
#define IS_SAME (binding[whose] == number)
#endif

/* pool_recall: `won` when the client was in; the slot is CLAIMED for us then. */
inline recall_kept(won)
{
    won = false;
    if
    :: atomic { state == KEPT -> state = RECALLED; whose = keeper; number = slot_binding };
       atomic {
           won = (IS_SAME && recall[whose] == MINE);
           if
           :: won -> recall[whose] = WANTED
           :: else -> skip
           fi
       };
       if
       :: won ->
          heavy_barrier();
          if
          :: out[whose] -> won = false
          :: else ->
             atomic {
                 won = (IS_SAME && recall[whose] == WANTED);
                 if
                 :: won -> recall[whose] = TAKEN
                 :: else -> skip
                 fi
             }
          fi
       :: else -> skip
       fi;
       if
       :: won -> state = CLAIMED
       :: else -> skip
       fi;
       atomic { whose = 0; number = 0 }
    :: else -> skip
    fi
}

/* ---- a worker ------------------------------------------------------------------------------------- */

inline use_client()
{
    users++;
    assert(users == 1);                /* H1 */
    assert(generation >= began_under); /* H2 */
    users--
}

/* pool_keep_settle */
inline settle()
{
    atomic { /* a locked instruction: what was stored before is out */
        drain_buffer(me);
        has_won = (recall[me] == MINE || recall[me] == WANTED);
        if
        :: has_won -> recall[me] = BACK
        :: else -> skip
        fi;
        is_bound = false
    };
    out[me] = false;
    if
    :: has_won -> state = CLAIMED; offer()
    :: else -> skip
    fi
}

/* pool_keep_bind: the slot is BUSY and ours, gate and line were looked at. */
inline bind()
{
    assert(state == BUSY);
    state = CLAIMED;
    atomic { recall[me] = MINE; binding[me]++; is_bound = true };
    atomic { keeper = me; slot_binding = binding[me] };
    state = KEPT;
#ifndef MUTATE_BIND
    if
    :: gate != kept_gate || tail != kept_tail -> settle()
    :: else -> skip
    fi
#endif
}

/* pool_keep_take, pool_keep_return */
inline use_kept()
{
    atomic {
        stood_in_line = false;
        /* is somebody in line, whom nobody serves yet? */
        if
        :: head != tail -> stood_in_line = true
        :: else -> skip
        fi
    };
    store_out(true);
    is_taken = true;
#ifndef MUTATE_TAKE
    is_taken = (recall[me] == MINE);
#endif
    is_taken = is_taken && (gate == kept_gate);
#ifndef MUTATE_QUEUE
    is_taken = is_taken && (tail == kept_tail);
#endif
    if
    :: is_taken ->
       assert(!stood_in_line);
       use_client();
       store_out(false);
#ifndef MUTATE_RETURN
       if
       :: recall[me] != MINE -> settle()
       :: else -> skip
       fi
#endif
    :: else -> settle()
    fi;
    stood_in_line = false
}

/* Back to IDLE, or kept; or, when there is something to look at, offered. */
inline check_in()
{
    kept_gate = gate;
    kept_tail = tail;
    if
    :: !is_bound && head == kept_tail && generation >= kept_gate -> bind()
    :: head == kept_tail && generation >= kept_gate ->
       state = CLAIMED; offer() /* what the CAS to IDLE and pool_after_idle come to */
    :: else -> state = CLAIMED; offer()
    fi
}

/* A ticket, then a look at the slot (pool_match), then sleep until the slot is ours. */
inline wait_in_line()
{
    atomic { mine = tail; tail++ };
    if
    :: atomic { state == IDLE -> state = CLAIMED }; offer()
    :: state == KEPT ->
       recall_kept(has_won);
       if
       :: has_won -> offer()
       :: else -> skip
       fi
    :: else -> skip
    fi;
    head > mine; /* granted: CLAIMED for us */
    mine = 0
}

inline take_other()
{
    if
    :: atomic { head == tail && state == IDLE -> state = CLAIMED }; has_won = true
    :: head == tail && state == KEPT && !out[keeper] -> recall_kept(has_won)
    :: else -> has_won = false
    fi;
    if
    :: has_won -> skip
    :: else -> wait_in_line()
    fi;
    if
    :: generation < gate -> generation = gate /* take_claimed: retired, and another one is taken */
    :: else -> skip
    fi;
    state = BUSY;
    use_client();
    check_in()
}

proctype worker(byte me)
{
    byte whose, number, mine, began_under, loans, kept_gate, kept_tail;
    bool has_won, is_bound, is_taken, stood_in_line;
    do
    :: loans < LOANS ->
       loans++;
       began_under = gate;
       is_taken = false;
       if
       :: is_bound -> use_kept()
       :: else -> skip
       fi;
       if
       :: is_taken -> skip
       :: else -> take_other()
       fi;
       atomic { began_under = 0; has_won = false; is_taken = false };
       if
       :: !is_bound -> atomic { kept_gate = 0; kept_tail = 0 }
       :: else -> skip
       fi
    :: else -> break
    od;
    workers_done++
}

/* ---- the others ------------------------------------------------------------------------------------ */

/* pool_clear, ready at once; pool_tidy. */
active proctype supervisor()
{
    byte whose, number, clears;
    bool has_won;
    do
    :: clears < CLEARS ->
       clears++;
       gate++;
       if
       :: atomic { state == IDLE && generation < gate -> state = CLAIMED }; offer()
       :: state == KEPT ->
          recall_kept(has_won);
          if
          :: has_won -> offer()
          :: else -> skip
          fi
       :: else -> skip
       fi
    :: else -> break
    od;
    supervisor_done = true
}

/* A processor writes its buffer when it likes. */
active proctype processor()
{
end:
    do
    :: atomic { is_pending[0] -> drain_buffer(0) }
#if WORKERS > 1
    :: atomic { is_pending[1] -> drain_buffer(1) }
#endif
#if WORKERS > 2
    :: atomic { is_pending[2] -> drain_buffer(2) }
#endif
    od
}

/* When all is quiet. */
active proctype monitor()
{
end:
    atomic {
        workers_done == WORKERS && supervisor_done;
        assert(state == IDLE || state == KEPT); /* no client is lost */
        assert(generation == gate);             /* H3 */
        assert(head == tail && users == 0)
    }
}

init
{
    byte i;
    atomic {
        do
        :: i < WORKERS -> run worker(i); i++
        :: else -> break
        od
    }
}
