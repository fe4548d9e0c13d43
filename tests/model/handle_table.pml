/* SPDX-License-Identifier: Apache-2.0 */
/* A model of check out / check in / retire / wait in runtime/pool, for spin.
 *
 * Each atomic access of the C code that another thread can see is one step here (the pairs that
 * matter are seq_cst there, so interleaving is the right memory model). Checked:
 *   H1  a client has one user at a time                     assert in use_client
 *   H2  a check out never gets a client of a generation     assert in use_client
 *       older than the gate it started under
 *   H3  no outdated client stays available                  assert in the monitor
 *   H9  nobody waits for ever                               no invalid end state
 *   H10 a ticket is good for one return                     assert in check_in
 * Small bounds: SLOTS clients, WORKERS threads with LOANS check outs each, CLEARS clears.
 * One worker has a deadline, which may pass whenever it waits; the others wait without one.
 * Not modelled: the ring's wrap-round and full line (stress_handle_table does), refresh, limits.
 *
 * Mutations, each of which must produce an error:
 *   -DMUTATE_QUEUE   after making a slot IDLE, the queue is not looked at again
 *   -DMUTATE_GATE    after making a slot IDLE, the gate is not looked at again
 *   -DMUTATE_CLAIM   a slot is taken in two steps, not by a CAS
 *   -DMUTATE_CANCEL  a waiter goes away without looking whether it was answered
 */
#ifndef SLOTS
#define SLOTS 1
#endif
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef LOANS
#define LOANS 1
#endif
#ifndef CLEARS
#define CLEARS 1
#endif
#define CELLS 8 /* tickets given in one run, at most */

mtype = { EMPTY, CONNECTING, IDLE, CLAIMED, BUSY, RETIRING };
mtype = { FREE, PARKED, GRANTED, REFUSED, CANCELLED };

mtype state[SLOTS] = EMPTY;
byte generation[SLOTS];
byte loan[SLOTS];
byte users[SLOTS];

byte gate_generation;
bool gate_ready = true;

byte head, tail;
mtype cell[CELLS] = FREE;
byte cell_slot[CELLS];

byte workers_done;
bool supervisor_done;
bool is_connecting;

/* ---- the pool's own moves; `s` is a slot that the caller has CLAIMED ---------------------------- */

inline retire(s)
{
    state[s] = RETIRING
}

/* pool_hand_over: swap the slot into the first cell whose waiter is still there. */
inline hand_over(s, given)
{
    given = false;
    do
    :: atomic { head == tail -> break }
    :: atomic { head != tail -> ticket = head; head++ };
       atomic {
           given = (cell[ticket] != CANCELLED);
           cell[ticket] = GRANTED;
           cell_slot[ticket] = s
       };
       if
       :: given -> break
       :: else -> skip
       fi
    od
}

/* The gate after a slot became IDLE: retire what is outdated (pool_tidy). */
inline look_at_gate()
{
#ifndef MUTATE_GATE
    k = 0;
    do
    :: k < SLOTS ->
       if
       :: atomic { state[k] == IDLE && generation[k] < gate_generation -> state[k] = CLAIMED; loan[k]++ };
          retire(k)
       :: else -> skip
       fi;
       k++
    :: else -> break
    od
#else
    skip
#endif
}

/* pool_claim_idle: `got` is SLOTS when none is there. */
inline claim_idle(got)
{
    got = SLOTS; k = 0;
    do
    :: k < SLOTS && got == SLOTS ->
       if
#ifdef MUTATE_CLAIM
       :: state[k] == IDLE -> state[k] = CLAIMED; loan[k]++; got = k
#else
       :: atomic { state[k] == IDLE -> state[k] = CLAIMED; loan[k]++; got = k }
#endif
       :: else -> skip
       fi;
       if
       :: got != SLOTS && generation[got] < gate_generation -> retire(got); got = SLOTS
       :: else -> skip
       fi;
       k++
    :: else -> break
    od
}

/* pool_match: give idle slots to waiters until one of them runs out. */
inline match()
{
    do
    :: head == tail -> break
    :: else ->
       claim_idle(found);
       if
       :: found == SLOTS -> break
       :: else ->
          hand_over(found, was_given);
          if
          :: was_given -> skip
          :: else -> state[found] = IDLE; look_at_gate()
          fi
       fi
    od
}

inline after_idle()
{
    look_at_gate();
#ifndef MUTATE_QUEUE
    match()
#endif
}

/* pool_offer */
inline offer(s)
{
    if
    :: generation[s] < gate_generation -> retire(s)
    :: else ->
       hand_over(s, was_given);
       if
       :: was_given -> skip
       :: else -> state[s] = IDLE; after_idle()
       fi
    fi
}

/* ---- a worker ------------------------------------------------------------------------------------- */

/* The waiter's way out before an answer: give up its ticket, and drop given up ones in front. */
inline cancel(t, is_gone)
{
#ifdef MUTATE_CANCEL
    is_gone = true; cell[t] = CANCELLED;
#else
    atomic {
        is_gone = (cell[t] == FREE || cell[t] == PARKED);
        if
        :: is_gone -> cell[t] = CANCELLED
        :: else -> skip
        fi
    };
#endif
    do
    :: atomic { is_gone && head != tail && cell[head] == CANCELLED -> head++ } /* CAS of the head */
    :: else -> break
    od
}

/* pool_wait_in_line: `found` is the slot, SLOTS when refused or too late. */
inline wait_in_line()
{
    atomic { mine = tail; tail++; assert(mine < CELLS) };
    found = SLOTS;
    gone = false;
    if
    :: !gate_ready -> cancel(mine, gone)
    :: else -> skip
    fi;
    if
    :: gone -> skip
    :: else ->
       match();
       found = SLOTS;
       atomic {
           if
           :: cell[mine] == FREE -> cell[mine] = PARKED
           :: else -> skip
           fi
       };
       if
       :: cell[mine] == GRANTED || cell[mine] == REFUSED -> skip /* woken by the futex */
       :: has_deadline -> cancel(mine, gone)
       fi;
       if
       :: !gone && cell[mine] == GRANTED -> found = cell_slot[mine]
       :: else -> skip
       fi
    fi
}

inline use_client(s)
{
    users[s]++;
    assert(users[s] == 1);                /* H1 */
    assert(state[s] == BUSY);
    assert(generation[s] >= started_under); /* H2 */
    users[s]--
}

/* Fast: straight back to IDLE when nobody waits; slow: claim it and offer it. */
inline check_in(s, my_loan)
{
    if
    :: head == tail && generation[s] >= gate_generation ->
       atomic { assert(state[s] == BUSY && loan[s] == my_loan); state[s] = IDLE };
       after_idle()
    :: else ->
       atomic { assert(state[s] == BUSY && loan[s] == my_loan); state[s] = CLAIMED; loan[s]++ };
       offer(s)
    fi;
    assert(!(state[s] == BUSY && loan[s] == my_loan)) /* H10: this ticket would be refused now */
}

proctype worker(bool has_deadline)
{
    byte ticket, k, found, mine, my_loan, my_slot, started_under, loans;
    bool was_given, gone;
    do
    :: loans < LOANS ->
       loans++;
       found = SLOTS;
       started_under = gate_generation;
       if
       :: !gate_ready -> skip /* GLEANER_E_DOWN */
       :: gate_ready ->
          if
          :: head == tail -> claim_idle(found)
          :: else -> skip
          fi;
          if
          :: found == SLOTS -> wait_in_line()
          :: else -> skip
          fi;
          if
          :: found == SLOTS -> skip
          :: found != SLOTS && generation[found] < gate_generation -> retire(found) /* H2 again */
          :: else ->
             my_slot = found;
             my_loan = loan[my_slot];
             state[my_slot] = BUSY;
             use_client(my_slot);
             check_in(my_slot, my_loan)
          fi
       fi
    :: else -> break
    od;
    workers_done++
}

/* ---- the others ------------------------------------------------------------------------------------ */

/* Connects when somebody waits; a connector asleep is a valid end. */
active proctype connector()
{
    byte ticket, k, found, s;
    bool was_given;
end:
    do
    :: atomic { gate_ready && head != tail && state[0] == EMPTY ->
                state[0] = CONNECTING; generation[0] = gate_generation; s = 0;
                is_connecting = true };
       atomic { state[s] = CLAIMED; loan[s]++ };
       offer(s);
       is_connecting = false
#if SLOTS > 1
    :: atomic { gate_ready && head != tail && state[1] == EMPTY ->
                state[1] = CONNECTING; generation[1] = gate_generation; s = 1;
                is_connecting = true };
       atomic { state[s] = CLAIMED; loan[s]++ };
       offer(s);
       is_connecting = false
#endif
    od
}

active proctype reaper()
{
end:
    do
    :: atomic { state[0] == RETIRING -> assert(users[0] == 0); state[0] = EMPTY }
#if SLOTS > 1
    :: atomic { state[1] == RETIRING -> assert(users[1] == 0); state[1] = EMPTY }
#endif
    od
}

/* pool_clear, then pool_ready. */
active proctype supervisor()
{
    byte k, clears, limit, ticket;
    do
    :: clears < CLEARS ->
       clears++;
       atomic { gate_generation++; gate_ready = false };
       k = 0;
       do
       :: k < SLOTS ->
          if
          :: atomic { state[k] == IDLE && generation[k] < gate_generation -> state[k] = CLAIMED; loan[k]++ };
             retire(k)
          :: else -> skip
          fi;
          k++
       :: else -> break
       od;
       limit = tail;
       do
       :: atomic { head < limit -> ticket = head; head++ };
          atomic { if
                   :: cell[ticket] != CANCELLED -> cell[ticket] = REFUSED
                   :: else -> skip
                   fi }
       :: atomic { head >= limit -> break }
       od;
       gate_ready = true
    :: else -> break
    od;
    supervisor_done = true
}

/* When all is quiet: nothing outdated is available, nobody is in line, nothing is lost. */
active proctype monitor()
{
    byte k;
end:
    workers_done == WORKERS && supervisor_done && !is_connecting;
    atomic {
        do
        :: k < SLOTS ->
           assert(!(state[k] == IDLE && generation[k] < gate_generation)); /* H3 */
           assert(users[k] == 0);
           k++
        :: else -> break
        od
    }
}

init
{
    byte i;
    atomic {
        do
        :: i < WORKERS -> run worker(i == 0); i++
        :: else -> break
        od
    }
}
